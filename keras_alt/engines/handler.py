"""The contract between an exporter and the functions that write operations."""

from typing import Any, Protocol

from keras_alt.integer import Step


class Handler(Protocol):
    """Writes one operation of the integer program to a file.

    A function becomes a handler by the decorator `handles` of a file format:
    `keras_alt.engines.litert.handles`, `keras_alt.engines.onnx_nodes.handles` (ONNX and QONNX) or
    `keras_alt.engines.hls4ml.handles`. The function registered last for an operation counts.
    """

    def __call__(self, writer: Any, step: Step) -> None:
        """Write a step. The exporter calls this in the order of computation.

        All inputs of the step are written by then. The handler must say where the output is; the
        docstring of each `handles` has the methods for it.

        Args:
            writer: of the file format. `writer.program.tensors[position]` has shape, exponent,
                bounds and format of an input or the output.
            step: inputs and output are positions; `attributes` has kernels, biases and options.

        Raises:
            ExportError: the format cannot hold the step. The message names `step.layer`.
        """
