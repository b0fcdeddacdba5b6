"""Masks that hold pruned weights at zero."""

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Graph
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import is_kernel
from keras_alt.transforms import inline, split_separable


def sparsity_masks(model: keras.Model) -> dict[str, np.ndarray]:
    """Return where the kernels of `model` that have zeros are not zero.

    Args:
        model: Keras 3 model, float or quantized; pruned.

    Returns:
        `{"<layer>/kernel": mask}`, boolean arrays of the kernels' shapes, under the names that
        `keras_alt.quantize_model` gives the layers. Kernels without zeros, and those of nothing
        but zeros, have none.
    """
    masks = {}
    for name, layer in kernel_layers(split_separable(inline(model))).items():
        mask = ops.convert_to_numpy(layer.kernel) != 0
        if mask.any() and not mask.all():
            masks[f"{name}/kernel"] = mask
    return masks


def kernel_masks(model: keras.Model) -> dict[str, np.ndarray]:
    """Return the masks that the layers of a quantized model hold, as `sparsity_masks` does."""
    return {
        f"{name}/kernel": ops.convert_to_numpy(layer.mask_of(layer.role).mask.value)
        for name, layer in kernel_layers(model).items()
        if isinstance(layer, QuantizedKernel) and layer.sparse
    }


def kernel_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Return the layers of a flat model that multiply by a trained kernel, by name."""
    return {
        call.layer.name: call.layer
        for call in Graph(model).calls
        if is_kernel(call) or isinstance(call.layer, QuantizedKernel)
    }


def magnitude_mask(kernel: np.ndarray, sparsity: float) -> np.ndarray:
    """Return the mask that keeps the largest magnitudes.

    As tfmot's: `round(size * (1 - sparsity))` are kept, at least one, and of equal ones all that
    reach the smallest magnitude kept.

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

    As tfmot's `sparsity_m_by_n`: the last group is filled up with zeros.

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
