"""The contract between an exporter and the functions that write operations."""

from typing import Any, Protocol

from keras_alt.integer import Step


class Handler(Protocol):
    """Writes one operation of the integer program to a file.

    The decorator `handles` of a file format registers a function as a handler:
    `keras_alt.engines.litert.handles`, `keras_alt.engines.onnx_nodes.handles` (ONNX and QONNX) or
    `keras_alt.engines.hls4ml.handles`. The last function registered for an operation is used.
    """

    def __call__(self, writer: Any, step: Step) -> None:
        """Write a step. The exporter calls this in the order of computation.

        All inputs of the step are written before. The handler must tell the writer where the output
        is. The docstring of each `handles` names the methods for this.

        Args:
            writer: the writer of the file format. `writer.program.tensors[position]` has the shape,
                exponent, bounds and format of an input or the output.
            step: the step. Its inputs and output are positions. Its `attributes` hold kernels,
                biases and options.

        Raises:
            ExportError: the format cannot hold the step. The message names `step.layer`.
        """
