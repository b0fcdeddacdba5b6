"""Which weights of a kernel pruning keeps: masks computed from an array."""

import numpy as np

from keras_alt.counterparts import missing


def magnitude_mask(kernel: np.ndarray, sparsity: float) -> np.ndarray:
    """Return the mask that keeps the largest magnitudes, by the rule of tfmot.

    It keeps `round(size * (1 - sparsity))` weights, at least one. Weights that equal the smallest
    magnitude kept are all kept.

    Args:
        kernel: array of any shape.
        sparsity: fraction of zeros, from 0 to 1.
    """
    magnitudes = np.abs(kernel)
    count = max(1, round(kernel.size * (1.0 - sparsity)))
    smallest = np.partition(magnitudes.ravel(), -count)[-count]
    return magnitudes >= smallest


def m_by_n_mask(kernel: np.ndarray, m: int, n: int, axis: int = -2) -> np.ndarray:
    """Return the mask with `m` zeros among every `n` consecutive input channels.

    The rule is that of tfmot's `sparsity_m_by_n`, which fills up the last group with zeros.

    Args:
        kernel: of a dense layer, (input, output), or a convolution, (..., input, output).
        axis: of the input channels; the last one in a transposed convolution.
    """
    rows = np.abs(np.moveaxis(kernel, axis, -1))
    missing = -rows.shape[-1] % n
    padded = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)])
    groups = padded.reshape(*padded.shape[:-1], -1, n)
    order = np.argsort(-groups, axis=-1, kind="stable")
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, order[..., : n - m], True, axis=-1)
    mask = mask.reshape(padded.shape)[..., : rows.shape[-1]]
    return np.moveaxis(mask, -1, axis)


def checked_mask(mask, shape: tuple, name: str) -> np.ndarray:
    """Return the mask of a kernel as a boolean array.

    Args:
        mask: array of true and false, or of numbers, where 0 hides a weight.
        shape: of the kernel.
        name: of the kernel, for the error.

    Raises:
        ValueError: `mask` is no array of that shape.
    """
    mask = np.asarray(mask)
    if mask.shape != tuple(shape) or mask.dtype.kind not in "biuf":
        raise ValueError(
            f"The mask of '{name}' must have the kernel's shape {tuple(shape)}. "
            f"Received: mask.shape={mask.shape}, dtype={mask.dtype}"
        )
    return mask.astype(bool)


def __getattr__(name):
    # A name of tfmot's `sparsity`, for instance, whose counterpart the error tells.
    raise missing(__name__, name)
