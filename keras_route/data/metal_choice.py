"""Which metals a net is wired in: those of the least resistance over its extent."""

import numpy as np

from keras_route.technology.layers import METALS
from keras_route.technology.wire_resistance import wire_resistance

NO_WIRE = -1


def horizontal_trunk(x_um, y_um):
    """Return whether the trunk of a net runs along x: strictly, so a square net's is vertical."""
    return np.asarray(x_um) > np.asarray(y_um)


def wire_class(x_um, y_um):
    """Return the metals of nets of the given extents: trunk and legs are one of each direction.

    The trunk takes the metal of the least resistance over the extent it spans. Legs are on m3 or
    m4 below the upper metals' break-even lengths; m6 is joined by m5 only (the published
    generator, `gen_data.py`). There is no wire along an extent of zero.

    Args:
        x_um: extents along x in micrometres, between pixel centres; a number or an array.
        y_um: extents along y, of the shape of `x_um`.

    Returns:
        `(horizontal, vertical)`: integer arrays of channels of `LAYERS`, `NO_WIRE` for none.
    """
    long_in_x = wire_resistance("m4", x_um) > wire_resistance("m6", x_um)
    long_in_y = wire_resistance("m5", y_um) <= wire_resistance("m3", y_um)
    on_m5 = np.where(horizontal_trunk(x_um, y_um), long_in_x, long_in_y)
    on_m6 = long_in_x & on_m5
    horizontal = np.where(on_m6, METALS["m6"].channel, METALS["m4"].channel)
    vertical = np.where(on_m5, METALS["m5"].channel, METALS["m3"].channel)
    return (
        np.where(np.equal(x_um, 0), NO_WIRE, horizontal),
        np.where(np.equal(y_um, 0), NO_WIRE, vertical),
    )
