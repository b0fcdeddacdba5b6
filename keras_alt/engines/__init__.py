"""The engines that `keras_alt.verify` can run: each computes the codes of a program's tensors."""

from keras_alt.engines.hls4ml import HLS4MLEngine
from keras_alt.engines.integer import IntegerEngine
from keras_alt.engines.litert import LiteRTEngine
from keras_alt.engines.onnxruntime import ONNXRuntimeEngine
from keras_alt.engines.qonnx import QONNXEngine

ENGINES = {
    engine.name: engine
    for engine in (IntegerEngine, LiteRTEngine, ONNXRuntimeEngine, QONNXEngine, HLS4MLEngine)
}
