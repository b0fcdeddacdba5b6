"""The memory that TFLM needs for a file beside its constants."""

import math
import os
import re
import tempfile

import numpy as np

from keras_alt.engines.fitting import require
from keras_alt.engines.litert.stored import parsed_file

# What an operator keeps beside tensors: its structures, and two numbers for each channel.
BYTES_OF_AN_OPERATOR = 4096
BYTES_OF_A_CHANNEL = 16
TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


def parsed(path: str | os.PathLike):
    """Return the first graph of a LiteRT file as an object of the schema's classes."""
    return parsed_file(path).subgraphs[0]


def enough_bytes(graph) -> int:
    """Return a size of the arena that suffices even if no two tensors share memory."""
    sizes = [max(int(np.prod(tensor.shape)), 1) for tensor in graph.tensors]
    # A scratch buffer of a kernel has 4 bytes for each number of its largest tensor at most.
    numbers = 4 * sum(sizes) + BYTES_OF_A_CHANNEL * sum(map(_channels, graph.tensors))
    return 2 * numbers + BYTES_OF_AN_OPERATOR * (16 + len(graph.operators))


def _channels(tensor):
    scales = None if tensor.quantization is None else tensor.quantization.scale
    return 0 if scales is None else int(math.prod(tensor.shape[-1:]))


def arena_bytes(path: str | os.PathLike) -> int:
    """Return how many bytes of its arena TFLM uses for a file, on this processor.

    Pointers have 64 bits here and 32 on a microcontroller, where the structures are smaller. The
    sizes of tensors are the same.

    Args:
        path: `*.tflite` file.

    Raises:
        ImportError: the package is not installed.
    """
    require("tflite_micro", "tflm")
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(
        os.fspath(path), arena_size=enough_bytes(parsed(path))
    )
    text = _printed(interpreter.print_allocations)
    return int(TOTAL.search(text).group(1))


def _printed(write) -> str:
    """Return what a function writes to the standard error of the process."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            write()
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        return file.read().decode()
