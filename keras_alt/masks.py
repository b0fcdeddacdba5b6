"""The masks of a model: where the weights of its kernels are not zero."""

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Graph
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import is_kernel
from keras_alt.transforms import inline, split_separable


def sparsity_masks(model: keras.Model) -> dict[str, np.ndarray]:
    """Return which weights of a pruned model are not zero.

    Args:
        model: Keras 3 model, float or quantized.

    Returns:
        `{"<layer>/kernel": mask}`: boolean arrays of the kernels' shapes, under the names that
        `keras_alt.quantize_model` gives the layers. A kernel without zeros, or of zeros only, has
        no mask.
    """
    masks = {}
    for name, layer in kernel_layers(split_separable(inline(model))).items():
        mask = ops.convert_to_numpy(layer.kernel) != 0
        if mask.any() and not mask.all():
            masks[f"{name}/kernel"] = mask
    return masks


def kernel_masks(model: keras.Model) -> dict[str, np.ndarray]:
    """Return the masks that the layers of a quantized model hold, named as by `sparsity_masks`."""
    return {
        f"{name}/kernel": ops.convert_to_numpy(layer.mask_of(layer.role).mask)
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
