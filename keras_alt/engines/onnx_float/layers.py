"""Float layers whose `call` cannot be followed as Keras' operators."""

import keras
import numpy as np
from keras import layers as L

from keras_alt.engines.onnx_float.indexing import END
from keras_alt.engines.onnx_float.writer import no_form, writes_float

# Layers that change a batch at random in training only.
RANDOM = [
    getattr(L, name)
    for name in dir(L)
    if (name.startswith("Random") and name != "RandomCrop") or name in ("AugMix", "CutMix", "MixUp")
]


@writes_float(*RANDOM)
def _random(writer, call, x, *args, **kwargs):
    return writer.operand(x, call.outputs[0].dtype)


@writes_float(L.Rescaling)
def _rescaling(writer, call, x):
    layer, name = call.layer, writer.operand(x, "float32")
    for kind, value in (("Mul", layer.scale), ("Add", layer.offset)):
        value = np.array(value, np.float32)
        if value.ndim == 1 and keras.config.image_data_format() == "channels_first":
            value = value.reshape(-1, 1, 1)
        constant = writer.graph.shared(f"{layer.name}/{kind}", value)
        name = writer.add(kind, name, constant)
    return name


@writes_float(L.TimeDistributed)
def _time_distributed(writer, call, x, mask=None):
    """Apply the layer to every step as to a sample, which is the same function."""
    if mask is not None:
        raise no_form(call, "a mask of time steps")
    name = writer.operand(x)
    shape = writer.add("Shape", name)
    rest = writer.add("Concat", [-1], writer.add("Slice", shape, [2], [END]), axis=0)
    merged = writer.add("Reshape", name, rest)
    samples = writer.symbol((None, *x.shape[2:]), x.dtype, merged)
    (name,) = writer.composed(call.layer.layer, samples)
    rest = writer.add("Slice", writer.add("Shape", name), [1], [END])
    both = writer.add("Slice", shape, [0], [2])
    return writer.add("Reshape", name, writer.add("Concat", both, rest, axis=0))
