"""Which metals a net is wired in: those of the least resistance over its extent."""

import numpy as np

from keras_route.layers_map import METALS, PIN_VIA, VIAS

NO_WIRE = -1


def _stack_ohms():
    """Return, for each metal, the resistance of a stack of vias from the pins up to it."""
    ohms = {"m2": 0.0}
    for via in (PIN_VIA, *VIAS.values()):
        ohms[via.above] = ohms[via.below] + via.ohm
    return ohms


STACK_OHMS = _stack_ohms()


def resistance(metal: str, length_um):
    """Return the resistance in ohm of a wire that two stacks of vias join to pins on m2.

    Args:
        metal: name of the wire's layer, `"m3"` to `"m6"`.
        length_um: length of the wire in micrometres, a number or an array of any shape.

    Returns:
        Float or array of the shape of `length_um`.
    """
    return METALS[metal].ohm_per_um * length_um + 2 * STACK_OHMS[metal]


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
    long_in_x = resistance("m4", x_um) > resistance("m6", x_um)
    long_in_y = resistance("m5", y_um) <= resistance("m3", y_um)
    on_m5 = np.where(horizontal_trunk(x_um, y_um), long_in_x, long_in_y)
    on_m6 = long_in_x & on_m5
    horizontal = np.where(on_m6, METALS["m6"].channel, METALS["m4"].channel)
    vertical = np.where(on_m5, METALS["m5"].channel, METALS["m3"].channel)
    return (
        np.where(np.equal(x_um, 0), NO_WIRE, horizontal),
        np.where(np.equal(y_um, 0), NO_WIRE, vertical),
    )
