"""Float layers and operators of Keras as ONNX nodes."""

from keras_alt.engines.onnx_float import (  # noqa: F401
    activations,
    arithmetic,
    convolutions,
    indexing,
    layers,
    normalization,
    pooling,
    products,
    recurrent,
    reductions,
    resizing,
    shapes,
)
from keras_alt.engines.onnx_float.types import element_type
from keras_alt.engines.onnx_float.writer import (
    FLOAT_LAYERS,
    FloatWriter,
    composes,
    writes_float,
)

__all__ = ["FLOAT_LAYERS", "FloatWriter", "composes", "element_type", "writes_float"]
