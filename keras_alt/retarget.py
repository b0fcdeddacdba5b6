"""The same quantized model under the rules of another engine."""

import keras

from keras_alt.calibration.calibrate import calibrate
from keras_alt.config import QuantizeConfig
from keras_alt.graph import Graph, rewrite
from keras_alt.layers import QuantAveragePoolConv2D, QuantLeakyReLU
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.masks import kernel_masks
from keras_alt.quantize import QUANTIZED, insert_quantizers
from keras_alt.quantizer import Quantizer, quantizers
from keras_alt.roles import KERNELS
from keras_alt.targets import get_target
from keras_alt.transforms import canonical

L = keras.layers
FLOAT = {quantized: plain for plain, quantized in QUANTIZED.items()}


def retarget(model: keras.Model, target: str, calibration_data=None) -> keras.Model:
    """Return `model` under the rules of `target`, with its weights and thresholds.

    Thresholds that the other target did not have, such as those of accumulators, are set from
    `calibration_data`; without it they are left to `keras_alt.calibrate`.

    Args:
        model: from `keras_alt.quantize_model`; not changed.
        target: name in `keras_alt.targets.TARGETS`.
        calibration_data: inputs as for `keras_alt.calibrate`, or None.
    """
    get_target(target)
    config = _configuration(model, target)
    masks = kernel_masks(model)
    result = insert_quantizers(canonical(_unquantized(model), config), config, masks)
    known = quantizers(model)
    kept = []
    for name, quantizer in quantizers(result).items():
        if name in known and known[name].format.bits == quantizer.format.bits:
            quantizer.log2_threshold.assign(known[name].log2_threshold)
            quantizer.frozen.assign(known[name].frozen)
            if quantizer.calibrated:
                kept.append(quantizer)
    if calibration_data is not None:
        calibrate(result, calibration_data, keep=kept)
    return result


def _configuration(model, target):
    overrides, skip = {}, []
    inputs = None
    for layer in model.layers:
        if isinstance(layer, QuantizedKernel):
            if layer.activation_bits is not None or layer.batch_norm is not None:
                raise NotImplementedError(
                    "`retarget` expects a model from `quantize_model(batch_norm='fold')`; write "
                    "other layers with `target=` themselves. "
                    f"Received: layer '{layer.name}' of type {type(layer).__name__}"
                )
            overrides.setdefault(layer.name, {})["weights"] = layer.kernel_bits
        elif type(layer) in KERNELS:
            skip.append(layer.name)
    for quantizer in model.layers:
        if isinstance(quantizer, Quantizer):
            owner = quantizer.name.rpartition("__")[0]
            if quantizer.role == "input":
                inputs = quantizer.format.bits
            elif quantizer.role == "output":
                overrides.setdefault(owner, {})["activations"] = quantizer.format.bits
    names = {layer.name for layer in model.layers} | {
        q.name.rpartition("__")[0] for q in model.layers if isinstance(q, Quantizer)
    }
    return QuantizeConfig(
        target=target,
        inputs=inputs or 8,
        overrides={name: widths for name, widths in overrides.items() if name in names},
        skip=tuple(skip),
    )


def _unquantized(model):
    """Return the canonical float model that `model` was made from."""
    made = {}
    graph = Graph(model)

    def rule(call, new):
        layer = call.layer
        if isinstance(layer, Quantizer):
            return _activation(call, new, graph)
        if type(layer) is QuantAveragePoolConv2D:
            return _pool(call)(new(call.inputs[0]))
        if type(layer) is QuantLeakyReLU:
            return _leaky(layer)(new(call.inputs[0]))
        if type(layer) not in FLOAT:
            return None
        if layer not in made:
            made[layer] = _as_float(layer)
        fresh = not made[layer].built
        outputs = made[layer](new(call.inputs[0]))
        if fresh:
            bias = [layer.bias] if layer.use_bias else []
            made[layer].set_weights([*layer.kernels().values(), *bias])
        return outputs

    return rewrite(graph, rule)


def _as_float(layer):
    """Return an unbuilt float layer of the configuration of `layer`."""
    plain = FLOAT[type(layer)]
    names = plain(**_required(layer)).get_config().keys()
    config = layer.get_config()
    return plain.from_config({name: config[name] for name in names})


def _required(layer):
    names = ("filters", "kernel_size", "units")
    return {name: getattr(layer, name) for name in names if hasattr(layer, name)}


def _activation(call, new, graph):
    """Return what stands for a quantizer's outputs: its ReLU, if it computes one."""
    x = new(call.inputs[0])
    function = call.kwargs.get("activation")
    if function is not None:
        # A quantizer of several tensors has the name of their merge, not of their ReLUs.
        owner = call.layer.name.rpartition("__")[0]
        source = graph.producer[call.inputs[0]].layer.name
        name = owner if call.layer.role == "output" else f"{source}_{function}"
        x = L.Activation(function, name=name)(x)
    # The second output, the exponent, is read by quantized layers only.
    return [x, x] if len(call.outputs) == 2 else x


def _pool(call):
    layer, size = call.layer, call.inputs[0].shape[1:3]
    if tuple(layer.kernel_size) == tuple(size):
        return L.GlobalAveragePooling2D(keepdims=True, name=layer.name)
    return L.AveragePooling2D(layer.kernel_size, strides=layer.strides, name=layer.name)


def _leaky(layer):
    if layer.max_value is not None:
        return L.ReLU(layer.max_value, negative_slope=layer.negative_slope, name=layer.name)
    return L.LeakyReLU(negative_slope=layer.negative_slope, name=layer.name)
