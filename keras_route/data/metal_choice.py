"""The metals in which the layout rule wires a net: those of the least resistance."""

import numpy as np

from keras_route.technology.layers import METALS
from keras_route.technology.wire_resistance import wire_resistance

NO_WIRE = -1


def horizontal_trunk(x_um: float | np.ndarray, y_um: float | np.ndarray) -> np.ndarray:
    """Return whether the trunk of a net runs along x; the trunk of a square net runs along y."""
    return np.asarray(x_um) > np.asarray(y_um)


def wire_class(x_um: float | np.ndarray, y_um: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the metals of nets of the given extents: one of each direction.

    The trunk takes the metal of the least resistance over its length. Legs lie on m3 or m4 up to
    the length at which the upper metal is better. m6 is joined by m5 only. All three are rules of
    the published generator (`gen_data.py`). An extent of zero has no wire.

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
