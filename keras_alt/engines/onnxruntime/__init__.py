"""ONNX Runtime: the file with quantize and dequantize nodes, and the engine that runs it."""
