"""Model in, quantized model out."""

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.walk import calibrate
from keras_alt.config import QuantizeConfig
from keras_alt.graph import Graph
from keras_alt.insertion import apply_plan
from keras_alt.operators import is_kernel
from keras_alt.origin import require_keras3
from keras_alt.planning import plan
from keras_alt.record import Record, attach, tensor_keys
from keras_alt.transforms import canonical


def quantize_model(
    model: keras.Model,
    config: QuantizeConfig | None = None,
    calibration_data=None,
    masks: dict | None = None,
) -> keras.Model:
    """Return a trainable fixed-point copy of `model`.

    Batch norms are folded, kernels, biases, sums and activations get quantizers whose log2
    thresholds are trained variables. What has no fixed-point form stays float between quantizers:
    `keras_alt.report` lists it. Before use, the thresholds must be set: by `calibration_data`, or
    by `keras_alt.calibrate`.

    Args:
        model: built `keras.Model`: Sequential, functional, nested or a subclass that can be
            traced. It is not changed.
        config: `QuantizeConfig`; by default 8 bit under the rules of the paper.
        calibration_data: inputs as for `keras_alt.calibrate`, or None.
        masks: which weights of a pruned model are not zero, `{"<layer>/kernel": boolean array}`,
            from `keras_alt.sparsity_masks(model)` or `keras_alt.tfmot.to_keras3`. The others stay
            zero through training, saving and export.

    Returns:
        Functional `keras.Model`. Loading it back from a file needs `import keras_alt` only.
    """
    require_keras3(model)
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`quantize_model` expects a Keras 3 `keras.Model`. "
            f"Received: model={model!r} (of type {type(model).__module__}.{type(model).__name__})"
        )
    config = QuantizeConfig() if config is None else config
    quantized = insert_quantizers(canonical(model, config), config, masks)
    if calibration_data is not None:
        calibrate(quantized, calibration_data)
    return quantized


def insert_quantizers(
    model: keras.Model, config: QuantizeConfig, masks: dict | None = None
) -> keras.Model:
    """Return `model`, which must be canonical, quantized by a plan, with its record."""
    graph = Graph(model)
    config.check_names([call.layer.name for call in graph.calls])
    masks = _checked_masks({} if masks is None else masks, graph, config)
    quantized, relus = apply_plan(graph, plan(graph, config, sparse=masks), masks)
    keys = tensor_keys(Graph(quantized))
    names = {f"{keys[tensor]} {activation}": name for (tensor, activation), name in relus.items()}
    attach(quantized, Record(config, names))
    return quantized


def _checked_masks(masks, graph, config):
    """Return `{layer name: mask}` for all layers that have one."""
    kernels = {
        f"{call.layer.name}/kernel": call.layer.kernel
        for call in graph.calls
        if is_kernel(call) and not config.skips(call.layer.name)
    }
    unknown = sorted(set(masks) - set(kernels))
    if unknown:
        raise ValueError(
            "Every key of `masks` must be '<layer>/kernel' of a layer that is quantized, after "
            "nested models are inlined and batch norms folded. "
            f"Received: {', '.join(unknown)}; kernels={', '.join(kernels)}"
        )
    masks = {**masks, **_masks_of_copies(masks, kernels)}
    return {name.removesuffix("/kernel"): mask for name, mask in masks.items()}


def _masks_of_copies(masks, kernels):
    """A layer that several batch norms read is folded into `<layer>`, `<layer>_<norm>`, ..."""

    def is_copy(name, kernel, original, mask):
        follows = name not in masks and name.startswith(original.removesuffix("/kernel") + "_")
        fits = follows and tuple(kernel.shape) == np.shape(mask)
        return fits and not ops.convert_to_numpy(kernel)[~np.asarray(mask, bool)].any()

    return {
        name: mask
        for name, kernel in kernels.items()
        for original, mask in masks.items()
        if is_copy(name, kernel, original, mask)
    }
