"""The record of a model whose thresholds ALT trained inside tfmot."""

import glob

import keras

from keras_alt.config import QuantizeConfig
from keras_alt.graph import Graph
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import is_kernel
from keras_alt.quantizer import Quantizer, owner_of
from keras_alt.record import Record, tensor_keys
from keras_alt.unquantized import fused_relu


def record_of_trained(model: keras.Model) -> Record:
    """Return the record of a model from `to_keras3`; `keras_alt.retarget` needs it.

    Kernels and outputs keep the widths of their layers. Biases and sums get the default widths,
    because tfmot leaves them float.
    """
    graph = Graph(model)
    keys, relus, inputs, overrides, skip = tensor_keys(graph), {}, None, {}, []
    behind_kernel = set()
    for call in graph.calls:
        layer = call.layer
        if any(tensor in behind_kernel for tensor in call.inputs):
            behind_kernel.update(call.outputs)
        if isinstance(layer, QuantizedKernel):
            behind_kernel.update(call.outputs)
            overrides.setdefault(layer.name, {})["weights"] = layer.kernel_bits
        elif is_kernel(call):
            behind_kernel.update(call.outputs)
            skip.append(layer.name)
        elif isinstance(layer, Quantizer):
            owner = owner_of(layer)
            if fused_relu(call) is not None:
                relus[keys[call.outputs[0]]] = owner
            if call.inputs[0] in behind_kernel:
                overrides.setdefault(owner, {})["activations"] = layer.format.bits
            else:
                inputs = layer.format.bits
    return Record.of(
        model,
        QuantizeConfig(
            weights=None,
            activations=None,
            inputs=inputs,
            first_and_last_weights=None,
            overrides={glob.escape(name): widths for name, widths in overrides.items()},
            skip=[glob.escape(name) for name in skip],
        ),
        relus,
    )
