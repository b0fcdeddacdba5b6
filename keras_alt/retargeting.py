"""Quantization of a model for another target or other widths, with its trained thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import keras
from keras import ops

from keras_alt.calibration.walk import calibrate
from keras_alt.config import WIDTHS, QuantizeConfig
from keras_alt.graph import Graph
from keras_alt.layers import AveragePoolConv2D, QuantLeakyReLU, QuantPReLU
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.masks import kernel_masks
from keras_alt.operators import Grid, has_grid, operator_of
from keras_alt.origin import require_keras3
from keras_alt.quantize import insert_quantizers
from keras_alt.quantizer import Quantizer, quantizers, quantizers_of
from keras_alt.record import Record, record_of
from keras_alt.transforms import canonical
from keras_alt.unquantized import fused_relu, source_name, unquantized


def retarget(
    model: keras.Model,
    target: str | None = None,
    calibration_data=None,
    overrides: Mapping[str, Mapping[str, int | None]] | None = None,
    **widths: int | str | None,
) -> keras.Model:
    """Return `model` under the rules of `target`, with its weights and thresholds.

    A quantized model stores its `QuantizeConfig`. The float model is quantized again with this
    configuration, for `target`, and the trained thresholds are copied. The new model may need
    further thresholds, such as those of accumulators. `calibration_data` or `keras_alt.calibrate`
    sets them.

    Args:
        model: from `keras_alt.quantize_model` or `keras_alt.tfmot.to_keras3`; not changed. A model
            trained by tensorflow-model-optimization has float biases and sums, and one threshold
            for each operand of a merge. The rules of the target replace both.
        target: name in `keras_alt.targets.TARGETS`; by default the target of `model`.
        calibration_data: inputs as for `keras_alt.calibrate`, or None.
        overrides: widths of layers, as in `QuantizeConfig`, such as `keras_alt.allocate` returns.
            They override those that the model has.
        **widths: widths of `QuantizeConfig` to change, in bits. `weights=4` gives kernels 4 bits
            and keeps the thresholds trained with 8 bits. Trained thresholds clip outlying channels;
            calibrated ones do not. Widths of layers, in `overrides`, stay.
            `weight_scales="channel"` gives each channel of a kernel a threshold of its own; they
            are calibrated anew.

    Returns:
        New `keras.Model`. Frozen thresholds stay frozen, unless a width changes.

    Raises:
        TypeError: a name in `widths` is no width, or `model` belongs to tf_keras.
        ValueError: the model stores no configuration, or there is no such target.
        NotImplementedError: the model was cut or extended, or a layer folds its batch norm while
            it trains.

    Example:

    ```python
    quantized = keras_alt.quantize_model(model, calibration_data=x_train)
    for_litert = keras_alt.retarget(quantized, "litert", weights=4, calibration_data=x_train)
    ```
    """
    require_keras3(model)
    record = required_record(model)
    unknown = sorted(set(widths) - {*WIDTHS, "weight_scales"})
    if unknown:
        raise TypeError(
            f"`retarget` changes the widths {', '.join(WIDTHS)}, `weight_scales` and `overrides`. "
            f"Received: {', '.join(unknown)}"
        )
    config = replace(record.config, target=target or record.config.target, **widths)
    config = config.overridden(overrides or {})
    result, kept = quantized_again(model, record, config)
    if replace(config, target=record.config.target) != record.config:
        for quantizer in quantizers(result).values():
            quantizer.frozen.assign(False)
    if calibration_data is not None:
        calibrate(result, calibration_data, keep=kept)
    return result


def quantized_again(
    model: keras.Model,
    record: Record,
    config: QuantizeConfig,
    change: Callable[[keras.Model], keras.Model] = lambda plain: plain,
) -> tuple[keras.Model, list[Quantizer]]:
    """Quantize the float model behind `model` again, with its thresholds.

    Args:
        model: quantized model.
        record: its record, from `required_record`.
        config: of the new model.
        change: applied to the float model in its canonical form.

    Returns:
        The new model, and its quantizers that have the thresholds of `model`.
    """
    graph = Graph(model)
    plain = change(canonical(unquantized(graph, record.relus), config))
    result = insert_quantizers(plain, config, kernel_masks(model))
    return result, _keep_thresholds(graph, Graph(result))


def required_record(model: keras.Model) -> Record:
    """Return the record of `model`; raise an error if it does not suffice to quantize again."""
    record = record_of(model)
    if record is None:
        raise ValueError(
            "`retarget` expects the model that `keras_alt.quantize_model` returned, with at least "
            "one quantized layer. Give hand-written layers another `target=`; retarget the inner "
            "model of a nested one; quantize the float model again if a file is of an older "
            f"version. Received: model '{model.name}' without a configuration"
        )
    if not record.describes(model):
        raise NotImplementedError(
            "`retarget` expects the whole model that `keras_alt.quantize_model` returned: cut or "
            "extend the float model, and quantize that. "
            f"Received: model '{model.name}' with other layers than when it was quantized"
        )
    for layer in model.layers:
        if isinstance(layer, QuantizedKernel) and layer.batch_norm is not None:
            raise NotImplementedError(
                "`retarget` expects a model from `quantize_model(batch_norm='fold')`: quantize "
                f"the float model again. Received: layer '{layer.name}', which folds its norm "
                "while it trains"
            )
    return record


def _keep_thresholds(old: Graph, new: Graph) -> list[Quantizer]:
    """Copy thresholds from `old` to `new`; return the quantizers that calibration must keep."""
    before, after = _calls_by_source(old), _calls_by_source(new)
    known = quantizers(old.model)
    # A shared quantizer is named after one of its tensors. The new graph may choose another.
    twins = {after[key].layer: before[key].layer for key in before.keys() & after.keys()}
    kept = []
    for name, quantizer in quantizers(new.model).items():
        twin = known.get(name) or twins.get(quantizer)
        if twin is not None and twin.log2_threshold.shape == quantizer.log2_threshold.shape:
            # As arrays: on JAX, variables must not share a buffer, which training gives away.
            quantizer.log2_threshold.assign(ops.convert_to_numpy(twin.log2_threshold))
            quantizer.frozen.assign(ops.convert_to_numpy(twin.frozen))
            if quantizer.calibrated:
                kept.append((quantizer, twin))
    inside = _inside_leaky_relus(new)
    return [
        quantizer
        for quantizer, twin in kept
        if twin.format.bits == quantizer.format.bits or quantizer not in inside
    ]


def _inside_leaky_relus(graph):
    """Return the quantizers inside ReLUs with slopes: the target decides their widths."""
    sloped = (QuantLeakyReLU, QuantPReLU)
    layers = {call.layer for call in graph.calls if isinstance(call.layer, sloped)}
    return {quantizer for layer in layers for quantizer in quantizers_of(layer)}


def _calls_by_source(graph):
    """Return `{(name of the layer before it, its ReLU): call}` for calls of quantizers.

    Quantizers after pools, and quantizers that move a tensor from one grid to another, are left
    out. Each target has its own rules for them.
    """
    return {
        (source_name(call), fused_relu(call)): call
        for call in graph.calls
        if isinstance(call.layer, Quantizer)
        and not _is_moved_by_target(graph.producer.get(call.inputs[0]))
        and (fused_relu(call) or graph.sole_reader(call.inputs[0]))
    }


def _is_moved_by_target(producer):
    if producer is None:
        return False
    if isinstance(producer.layer, (Quantizer, AveragePoolConv2D)):
        return True
    operator = operator_of(producer)
    is_mean = operator is not None and operator.rounding == "mean"
    return is_mean or has_grid(producer, Grid.KEPT, Grid.POOLED)
