"""Exports to C99 that needs no library: a source, a header and a self-test."""

from __future__ import annotations

import os
from collections.abc import Callable

import keras
import numpy as np

from keras_alt.engines.c.calls import Calls, calls
from keras_alt.engines.c.names import identifier
from keras_alt.engines.c.source import Source
from keras_alt.engines.c.texts import header_text, self_test_text, source_text
from keras_alt.engines.fitting import ExportError, fitting_program
from keras_alt.engines.folders import folder_written_whole
from keras_alt.input_shapes import with_input_shape
from keras_alt.integer import Program, Reading, quantize_inputs, trace

SAMPLES = 4  # random ones in the self-test of a model without given ones


def to_c(
    model: keras.Model, path: str | os.PathLike, x=None, name: str | None = None, input_shape=None
) -> str:
    """Write a quantized model as C99 without floating point, library calls and heap.

    The folder gets `<name>.h`, `<name>.c` and `<name>_test.c`. The header declares one function,
    which takes the codes of the inputs and gives those of the outputs, and tells its memory. The
    test is a program of its own with inputs and the codes that they must give:

        cc -std=c99 -O2 <name>.c <name>_test.c -o test && ./test

    Float layers in front of the quantizers and behind them are not computed; the header names them.

    Args:
        model: calibrated model, quantized with any target.
        path: the folder to write, which must be new or empty.
        x: inputs of the test as the model takes them, a few samples; random codes without.
        name: of the function and the files; by default the model's.
        input_shape: shape of the input without the batch, for a model with open sizes; one for each
            of several inputs, in a list or by name.

    Returns:
        The path.

    Raises:
        NotIntegerError: some layers have no integer form; the message names them.
        ExportError: some layers have no form in C; the message names them.
        FileExistsError: `path` exists and is not an empty folder.
    """
    reading = fitting_program(with_input_shape(model, input_shape), "c")
    samples = _random if x is None else lambda reading: quantize_inputs(reading, x)
    write_c(reading, path, name, samples)
    return os.fspath(path)


def write_c(
    reading: Reading,
    path: str | os.PathLike,
    name: str | None = None,
    samples: Callable[[Reading], list[np.ndarray]] | None = None,
) -> tuple[Source, Calls]:
    """Write the folder of a model.

    Args:
        reading: of the model.
        path: the folder.
        name: of the function and the files.
        samples: returns codes of each input for the self-test, which is left out without.
    """
    program = reading.program
    source = Source(program, identifier(name or program.name), set(reading.taps.values()))
    if source.refused:
        raise ExportError("; ".join(f"{layer}: {why}" for layer, why in source.refused.items()))
    body = calls(source)
    texts = {
        f"{source.name}.h": header_text(source, body, reading),
        f"{source.name}.c": source_text(source, body),
    }
    if samples is not None:
        codes = samples(reading)
        values = trace(program, codes, keep=program.outputs)
        expected = [values[position] for position in program.outputs]
        texts[f"{source.name}_test.c"] = self_test_text(source, codes, expected)
    with folder_written_whole(path) as folder:
        for file_name, text in texts.items():
            with open(os.path.join(folder, file_name), "w", encoding="utf-8") as file:
                file.write(text)
    return source, body


def refusals(program: Program) -> list[str]:
    """Return why C has no form of each layer that `to_c` refuses."""
    refused = Source(program, "net").refused
    return [f"layer '{layer}': {reason}" for layer, reason in refused.items()]


def _random(reading):
    rng = np.random.default_rng(0)
    tensors = [reading.program.tensors[position] for position in reading.program.inputs]
    return [rng.integers(t.low, t.high + 1, (SAMPLES, *t.shape)) for t in tensors]
