"""Writes the float layers around the integers as ONNX nodes."""

from collections.abc import Callable

import keras
import numpy as np

from keras_alt.engines.fitting import ExportError
from keras_alt.handlers import Handlers
from keras_alt.noise import NOISE

L = keras.layers
FLOAT_LAYERS = Handlers()


def writes_float(*layers: type[keras.Layer]) -> Callable:
    """Return a decorator that registers a function as the writer of these float layers.

    The function is called as `(writer, layer, name)` for each such layer in front of or behind the
    quantizers. `name` is the layer's only input, in Keras' order of axes. The function returns the
    name of the output.
    """
    return FLOAT_LAYERS.handles(*layers)


@writes_float(L.Softmax)
def _softmax(writer, layer, name):
    if not isinstance(layer.axis, int):
        raise ExportError(
            f"ONNX has a softmax over one axis only. Received: axis={layer.axis} of '{layer.name}'"
        )
    return writer.add("Softmax", [name], axis=layer.axis)


@writes_float(L.Activation)
def _activation(writer, layer, name):
    kinds = {"softmax": "Softmax", "sigmoid": "Sigmoid", "tanh": "Tanh", "linear": "Identity"}
    function = keras.activations.serialize(layer.activation)
    if function not in kinds:
        raise ExportError(
            f"Float activation '{layer.name}' has no ONNX form here. "
            f"Received: activation={function!r}"
        )
    return writer.add(kinds[function], [name])


@writes_float(L.Rescaling)
def _rescaling(writer, layer, name):
    for kind, value in (("Mul", layer.scale), ("Add", layer.offset)):
        constant = writer.initializer(f"{layer.name}/{kind}", np.array(value, np.float32))
        name = writer.add(kind, [name, constant])
    return name


@writes_float(*NOISE)
def _noise(writer, layer, name):
    return name
