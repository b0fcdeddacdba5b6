"""ONNX Runtime: the QDQ file and the engine that runs it."""
