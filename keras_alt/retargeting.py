"""A quantized model made anew for another target, with its thresholds."""

import keras

from keras_alt.calibration.calibrate import calibrate
from keras_alt.graph import Graph
from keras_alt.layers import AveragePoolConv2D, QuantLeakyReLU
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.masks import kernel_masks
from keras_alt.quantize import insert_quantizers
from keras_alt.quantizer import Quantizer, quantizers
from keras_alt.regions import SCALE_SHARING
from keras_alt.retarget.configuration import configuration
from keras_alt.retarget.unquantized import FLOAT, fused_relu, relu_names, source_name, unquantized
from keras_alt.roles import is_average_pool, is_grid_preserving, is_mean
from keras_alt.targets import get_target
from keras_alt.transforms import canonical


def retarget(model: keras.Model, target: str, calibration_data=None) -> keras.Model:
    """Return `model` under the rules of `target`, with its widths, weights and thresholds.

    Widths that the model's own target has no place for get a default. Thresholds that it did not
    have, such as those of accumulators, or had for another width, as inside leaky ReLUs, are set
    from `calibration_data`; without it, the former are left to `keras_alt.calibrate`.

    Args:
        model: from `keras_alt.quantize_model`; not changed. A model that
            tensorflow-model-optimization trained has float biases and sums only, and a threshold
            for each operand of a merge: it gets the target's rules for both.
        target: name in `keras_alt.targets.TARGETS`.
        calibration_data: inputs as for `keras_alt.calibrate`, or None.
    """
    get_target(target)
    _require_known_layers(model)
    graph = Graph(model)
    relus = relu_names(graph)
    config = configuration(graph, relus, target)
    plain = canonical(unquantized(graph, relus), config)
    result = insert_quantizers(plain, config, kernel_masks(model))
    kept = _keep_thresholds(graph, Graph(result))
    if calibration_data is not None:
        calibrate(result, calibration_data, keep=kept)
    return result


def _require_known_layers(model):
    for layer in model.layers:
        is_quantized = isinstance(layer, (QuantizedKernel, QuantLeakyReLU))
        has_norm = getattr(layer, "batch_norm", None) is not None
        is_known = type(layer) in FLOAT or type(layer) is QuantLeakyReLU
        if is_quantized and (not is_known or has_norm or layer.activation_bits is not None):
            raise NotImplementedError(
                "`retarget` expects a model from `quantize_model(batch_norm='fold')`; write "
                "other layers with `target=` themselves. "
                f"Received: layer '{layer.name}' of type {type(layer).__name__}"
            )


def _keep_thresholds(old: Graph, new: Graph) -> list[Quantizer]:
    """Set the thresholds in `new` that `old` has; return the quantizers of unchanged widths."""
    before, after = _calls_by_source(old), _calls_by_source(new)
    _require_same_formats(old, before, new, after)
    known = quantizers(old.model)
    # The quantizer of several tensors has the name of one of them, which may be another now.
    twins = {after[key].layer: before[key].layer for key in before.keys() & after.keys()}
    kept = []
    for name, quantizer in quantizers(new.model).items():
        twin = known.get(name) or twins.get(quantizer)
        if twin is not None:
            quantizer.log2_threshold.assign(twin.log2_threshold)
            quantizer.frozen.assign(twin.frozen)
            if quantizer.calibrated and twin.format.bits == quantizer.format.bits:
                kept.append(quantizer)
    return kept


def _calls_by_source(graph):
    """Return the calls of quantizers by the layer in front and the ReLU in them.

    Those of pools are left out, and those that move what lies on a grid to another: targets have
    their own rules for them.
    """
    return {
        (source_name(call), fused_relu(call)): call
        for call in graph.calls
        if isinstance(call.layer, Quantizer)
        and not _has_grid(graph.producer.get(call.inputs[0]))
        and (fused_relu(call) or graph.sole_reader(call.inputs[0]))
    }


def _has_grid(producer):
    return producer is not None and (
        isinstance(producer.layer, (Quantizer, AveragePoolConv2D))
        or (is_average_pool(producer) or is_mean(producer) or is_grid_preserving(producer))
    )


def _require_same_formats(old, before, new, after):
    both = before.keys() & after.keys()
    changed = {key for key in both if before[key].layer.format != after[key].layer.format}
    # A merge quantizes float operands, and has a grid for that only if another operand has.
    changed |= {key for key in before.keys() - both if not _is_operand(old, before[key])}
    changed |= {key for key in after.keys() - both if not _is_operand(new, after[key])}
    if changed:
        raise NotImplementedError(
            "`retarget` cannot tell the configuration of this model from its graph: quantize the "
            "float model anew with `QuantizeConfig(target=...)`. "
            f"Received: other widths behind {', '.join(sorted(name for name, _ in changed))}"
        )


def _is_operand(graph, call):
    readers = graph.readers[call.outputs[0]]
    return bool(readers) and all(type(reader.layer) in SCALE_SHARING for reader in readers)
