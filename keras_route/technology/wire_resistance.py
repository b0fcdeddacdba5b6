"""The resistance of a wire that joins two pins."""

import numpy as np

from keras_route.technology.layers import METALS, PIN_VIA, VIAS


def _stack_ohms():
    """Return, for each metal, the resistance of a stack of vias from the pins up to it."""
    ohms = {"m2": 0.0}
    for via in (PIN_VIA, *VIAS.values()):
        ohms[via.above] = ohms[via.below] + via.ohm
    return ohms


STACK_OHMS = _stack_ohms()


def wire_resistance(metal: str, length_um: float | np.ndarray) -> float | np.ndarray:
    """Return the resistance in ohm of a wire between two pins on m2.

    A stack of vias joins each end of the wire with its pin, and counts.

    Args:
        metal: name of the wire's layer, `"m3"` to `"m6"`.
        length_um: length of the wire in micrometres, a number or an array of any shape.

    Returns:
        Float or array of the shape of `length_um`.
    """
    return METALS[metal].ohm_per_um * length_um + 2 * STACK_OHMS[metal]
