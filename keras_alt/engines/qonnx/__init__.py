"""QONNX: the file and the executor that runs it."""
