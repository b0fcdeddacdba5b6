"""The table of engines that `keras_alt.verify` can run.

Each engine computes the codes of a program's tensors. `keras_alt.engines.engine.Engine` documents
the class. A package adds its own engine to the table:

    from keras_alt.engines import ENGINES
    ENGINES["mine"] = MyEngine
"""

from keras_alt.engines import ethos_u as ethos_u
from keras_alt.engines.c.run import CEngine
from keras_alt.engines.cortex_m.run import CortexMEngine
from keras_alt.engines.engine import Engine as Engine
from keras_alt.engines.hls4ml.run import HLS4MLEngine
from keras_alt.engines.integer.run import IntegerEngine
from keras_alt.engines.litert.run import LiteRTEngine, LiteRTReferenceEngine
from keras_alt.engines.manifest import check_bundle as check_bundle
from keras_alt.engines.onnxruntime.run import ONNXRuntimeEngine
from keras_alt.engines.qonnx.run import QONNXEngine
from keras_alt.engines.tflm.run import TFLMEngine

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine
    for engine in (
        IntegerEngine,
        CEngine,
        CortexMEngine,
        LiteRTEngine,
        LiteRTReferenceEngine,
        TFLMEngine,
        ONNXRuntimeEngine,
        QONNXEngine,
        HLS4MLEngine,
    )
}
