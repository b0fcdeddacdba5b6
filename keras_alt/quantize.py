"""Quantization of a Keras model."""

import warnings
from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.input_signs import inputs_by_sign
from keras_alt.calibration.walk import calibrate
from keras_alt.config import QuantizeConfig
from keras_alt.graph import Graph, origin_of
from keras_alt.insertion import apply_plan
from keras_alt.layer_names import listed
from keras_alt.operators import Grid, has_grid, is_kernel
from keras_alt.origin import require_model
from keras_alt.planning import plan
from keras_alt.precision import float32_by_default
from keras_alt.quantized_model import recorded
from keras_alt.quantizer import quantizers, require_float_weights
from keras_alt.record import Record, tensor_keys
from keras_alt.sparsity import checked_mask
from keras_alt.transforms import canonical

TRAINING_METHODS = (
    *("fit", "evaluate", "predict", "compile", "metrics", "get_metrics_result"),
    *("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"),
    *("make_train_function", "make_test_function", "make_predict_function"),
    *("train_on_batch", "test_on_batch", "predict_on_batch"),
)


def quantize_model(
    model: keras.Model,
    config: QuantizeConfig | None = None,
    calibration_data=None,
    masks: dict | None = None,
) -> keras.Model:
    """Return a trainable fixed-point copy of `model`.

    Batch norms are folded. Kernels, biases, sums and activations get quantizers. The log2 of each
    clipping threshold is a trained variable. Layers without a fixed-point form stay float between
    quantizers; `keras_alt.report` lists them, and which exporters write them. The thresholds are
    not set until `calibration_data` or `keras_alt.calibrate` does, and outputs are NaN until then.

    Args:
        model: built `keras.Model`: Sequential, functional, nested, or a subclass that Keras can
            trace. It is not changed.
        config: `QuantizeConfig`; by default 8 bits and the rules of Jain et al., 2019.
        calibration_data: inputs as for `keras_alt.calibrate`, or None.
        masks: `{"<layer>/kernel": boolean array}` in the shape of the kernel, False where a pruned
            weight is zero. `keras_alt.sparsity_masks(model)` and `keras_alt.tfmot.to_keras3` return
            it. These weights stay zero in training, saving and export.

    Returns:
        Functional `keras.Model` with the inputs and outputs of `model`. To load it from a file,
        `import keras_alt` is enough. It trains by the steps of `keras.Model`: a warning names those
        of a class of yours.

    Raises:
        TypeError: `model` is not a Keras 3 model.
        ValueError: `model` was never built or is quantized already, a glob in `config` matches no
            layer, a key of `masks` names no kernel that is quantized, or `inputs="auto"` without
            `calibration_data`.

    Example:

    ```python
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(16, "relu"),  # 4 bits; the first and the last kernels keep 8
            keras.layers.Dense(2),
        ]
    )
    x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    config = keras_alt.QuantizeConfig(weights=4)
    quantized = keras_alt.quantize_model(model, config, calibration_data=x)
    quantized.compile("adam", "mse")
    quantized.fit(x, model.predict(x))
    ```
    """
    require_model(model, "quantize_model")
    require_float_weights(model, "quantize_model")
    _require_float(model)
    _warn_of_own_training(model)
    config = QuantizeConfig() if config is None else config
    if not isinstance(config, QuantizeConfig):
        raise TypeError(
            "`config` must be a `keras_alt.QuantizeConfig`, such as "
            f"`QuantizeConfig(target='litert')`. Received: config={config!r}"
        )
    if config.inputs == "auto":
        config, model, calibration_data = _with_inputs_by_sign(config, model, calibration_data)
    quantized = insert_quantizers(canonical(model, config), config, masks)
    if calibration_data is not None:
        calibrate(quantized, calibration_data)
    return quantized


def _require_float(model):
    found = quantizers(model)
    if found:
        raise ValueError(
            "`quantize_model` expects a float model, and this one is already quantized: "
            "`keras_alt.retarget` changes its target or its widths. A model with layers of "
            "`keras_alt.layers` only needs `keras_alt.calibrate`. "
            f"Received: model '{model.name}' with quantizer '{next(iter(found))}'"
        )


def _warn_of_own_training(model):
    """Warn of the methods of the model's class that a functional `keras.Model` does not have."""
    theirs = keras.Model.__mro__  # on torch, `torch.nn.Module` too
    classes = [
        c for c in type(model).__mro__ if c not in theirs and not c.__module__.startswith("keras.")
    ]
    own = sorted({name for c in classes for name in vars(c)}.intersection(TRAINING_METHODS))
    if own:
        warnings.warn(
            "The quantized model is a functional `keras.Model`, which trains and computes losses "
            "by Keras' own methods: call yours on it by hand if it needs them. "
            f"Received: model '{model.name}' of class {type(model).__name__}, which defines "
            f"{', '.join(own)}",
            stacklevel=3,
        )


def _with_inputs_by_sign(config, model, data):
    """Return a configuration with the format of the inputs, and a model and data for it."""
    if data is None:
        raise ValueError(
            "`inputs='auto'` follows the sign of `calibration_data`: give it to `quantize_model`, "
            "or say 'int8' or 'uint8'. Received: calibration_data=None"
        )
    plain = canonical(model, replace(config, inputs="int8"))
    inputs, samples = inputs_by_sign(plain, data)
    return replace(config, inputs=inputs), plain, samples


@float32_by_default()
def insert_quantizers(
    model: keras.Model, config: QuantizeConfig, masks: dict | None = None
) -> keras.Model:
    """Plan and insert the quantizers of a canonical model, and attach its record.

    Args:
        model: float model from `keras_alt.transforms.canonical`.
        config: `QuantizeConfig`.
        masks: as for `quantize_model`.

    Returns:
        Quantized `keras.Model`; its thresholds are not set.
    """
    graph = Graph(model)
    config.check_target()
    config.check_names([call.layer.name for call in graph.calls])
    config = config.inherited(*_origins(graph))
    masks = _checked_masks({} if masks is None else masks, graph, config)
    quantized, relus = apply_plan(graph, plan(graph, config, sparse=masks), masks)
    keys = tensor_keys(Graph(quantized))
    names = {keys[tensor]: name for tensor, name in relus.items()}
    return recorded(quantized, Record.of(quantized, config, names))


def _origins(graph):
    """Return the origins of layers that transforms made, and those that give its output.

    Layers that only move codes are left out, because they have no settings.
    """
    origins = {
        call.layer.name: origin_of(call.layer)
        for call in graph.calls
        if origin_of(call.layer) != call.layer.name and not has_grid(call, Grid.KEPT)
    }

    def gives_output(call):
        before = (graph.producer[t].layer for t in call.inputs if t in graph.producer)
        return any(origin_of(layer) == origins[call.layer.name] for layer in before)

    made = [call for call in graph.calls if call.layer.name in origins]
    return origins, {call.layer.name for call in made if gives_output(call)}


def _checked_masks(masks, graph, config):
    """Return `{layer name: mask}` for every layer with a mask."""
    kernels = {
        f"{call.layer.name}/kernel": call.layer.kernel
        for call in graph.calls
        if is_kernel(call) and not config.skips(call.layer.name)
    }
    if not isinstance(masks, Mapping):
        raise TypeError(
            "`masks` must be a dictionary, such as `keras_alt.sparsity_masks(model)` returns. "
            f"Received: masks of type {type(masks).__name__}"
        )
    unknown = sorted(set(masks) - set(kernels), key=str)
    if unknown:
        raise ValueError(
            "Every key of `masks` must be '<layer>/kernel' of a quantized layer. Layers are named "
            "as they are after nested models are inlined and batch norms are folded. "
            f"Received: {', '.join(map(str, unknown))}; kernels={listed(kernels, unknown[0])}"
        )
    masks = {name: checked_mask(mask, kernels[name].shape, name) for name, mask in masks.items()}
    masks = {**masks, **_masks_of_copies(masks, kernels)}
    return {name.removesuffix("/kernel"): mask for name, mask in masks.items()}


def _masks_of_copies(masks, kernels):
    """Return the masks of the copies of a layer that feeds several batch norms.

    Folding makes one copy for each norm: `<layer>`, `<layer>_<norm>`, ...
    """

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
