"""The metal that is blocked, and the metal that a net takes."""

import numpy as np

from keras_route.technology.layers import METALS

METAL_CHANNELS = [metal.channel for metal in METALS.values()]


def blocked_metal(blocked: np.ndarray | None, height: int, width: int) -> np.ndarray:
    """Return what a user gives as `blocked` as a bool array (height, width, 4).

    Args:
        blocked: array of this shape, or (height, width) for all metals; None blocks nothing.
        height: rows of the window.
        width: columns of the window.

    Raises:
        ValueError: `blocked` has another shape.
    """
    shape = (height, width, len(METALS))
    if blocked is None:
        return np.zeros(shape, bool)
    blocked = blocked_array(blocked)
    if blocked.shape not in (shape[:2], shape):
        raise ValueError(
            f"`blocked` has the shape of the window, {shape[:2]}, for all metals, or {shape} "
            f"with one channel for each of {', '.join(METALS)}. "
            f"Received: blocked of shape {blocked.shape}"
        )
    return np.broadcast_to(blocked[..., None] if blocked.ndim == 2 else blocked, shape)


def blocked_array(blocked) -> np.ndarray:
    """Return what a user gives as `blocked` as a bool array of any shape.

    Raises:
        ValueError: it is not an array.
    """
    try:
        return np.asarray(blocked, bool)
    except ValueError as error:
        raise ValueError(
            "`blocked` must be an array of booleans, of shape (height, width) or "
            f"(height, width, {len(METALS)}). Received: blocked={blocked!r}"
        ) from error


def footprint(labels: np.ndarray, pins: np.ndarray) -> np.ndarray:
    """Return the metal that a net takes: its wires, and the stacks of vias below its pins.

    Args:
        labels: array (height, width, 8) of zeros and ones.
        pins: pin array; the net has metal at each pin.

    Returns:
        bool array (height, width, 4) for m3, m4, m5, m6.
    """
    metal = np.asarray(labels)[..., METAL_CHANNELS] > 0
    for x, y in pins.tolist():
        metal[y, x, : metal[y, x].argmax()] = True
    return metal
