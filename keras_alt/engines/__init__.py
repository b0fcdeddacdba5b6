"""The engines that `keras_alt.verify` can run: each computes the codes of a program's tensors."""

from keras_alt.engines.hls4ml.run import HLS4MLEngine
from keras_alt.engines.integer.run import IntegerEngine
from keras_alt.engines.litert.run import LiteRTEngine
from keras_alt.engines.onnxruntime.run import ONNXRuntimeEngine
from keras_alt.engines.qonnx.run import QONNXEngine

ENGINES = {
    engine.name: engine
    for engine in (IntegerEngine, LiteRTEngine, ONNXRuntimeEngine, QONNXEngine, HLS4MLEngine)
}
