"""Proof that an engine computes the integers that were trained."""

import contextlib
import os
import platform
import tempfile
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_alt.engines import ENGINES
from keras_alt.engines.bundle import Bundle
from keras_alt.engines.fitting import require_fit
from keras_alt.engines.folders import folder_written_whole
from keras_alt.graph import deep_recursion
from keras_alt.integer import Program, input_arrays, quantize_inputs, read


@dataclass(frozen=True)
class Difference:
    """How the codes of one tensor differ between the Keras model and an engine.

    Attributes:
        name: of the quantizer.
        mismatches, total: codes that differ, and codes compared.
        max_lsb: largest difference, in grid steps.
    """

    name: str
    mismatches: int
    total: int
    max_lsb: int


@dataclass(frozen=True)
class Verification:
    """Result of `keras_alt.verify`; true if every output code is the same.

    Attributes:
        engine, version, cpu: what computed, and on what; the proof holds for these.
        samples: number of inputs.
        outputs: a `Difference` for each output tensor.
        layers: a `Difference` for each quantizer the engine lets one look at, in the order of
            computation.
    """

    engine: str
    version: str
    cpu: str
    samples: int
    outputs: list[Difference]
    layers: list[Difference]

    @property
    def mismatches(self) -> int:
        return sum(row.mismatches for row in self.outputs)

    @property
    def total(self) -> int:
        return sum(row.total for row in self.outputs)

    @property
    def max_lsb(self) -> int:
        return max(row.max_lsb for row in self.outputs)

    @property
    def first_difference(self) -> Difference | None:
        """The first quantizer whose codes differ, None if there is none."""
        return next((row for row in self.layers if row.mismatches), None)

    def __bool__(self):
        return self.mismatches == 0

    def __str__(self):
        lines = [
            f"{self.mismatches} of {self.total} output codes differ (by {self.max_lsb} at most), "
            f"{self.samples} samples, {self.engine} {self.version} on {self.cpu}"
        ]
        first = self.first_difference
        if first is not None:
            lines.append(
                f"first at {first.name}: {first.mismatches} of {first.total}, "
                f"by {first.max_lsb} at most"
            )
        return "\n".join(lines)


def verify(
    model: keras.Model,
    x,
    engine: str = "integer",
    bundle: str | os.PathLike | None = None,
    batch_size: int = 32,
    verbose: bool = True,
) -> Verification:
    """Compare the codes of the Keras model with those that an engine computes.

    The model is exported as a user would export it, and the file runs on the engine. Compared are
    the codes of every quantizer that is a node of the graph, and of the outputs: of the last
    quantizer in front of each output of the model.

    Args:
        model: quantized and calibrated, from `keras_alt.quantize_model`. Its target must be one
            that the engine computes.
        x: inputs, as the model takes them; 1,000 real samples make a proof worth having.
        engine: "integer" (NumPy), "litert", "onnxruntime", "qonnx" (slow) or "hls4ml", or the name
            of another engine in `keras_alt.engines.ENGINES`.
        bundle: folder to write, new or empty: the exported files, the inputs, the expected output
            codes, and `verify.py`, which repeats the proof on a machine that has the engine, but
            no Keras.
        batch_size: how many samples are computed at a time.
        verbose: whether to show a progress bar.

    Raises:
        ValueError: the model has no integer form, is not calibrated, its target does not fit the
            engine, or `x` has NaN, no samples or another shape than the model takes.
        ImportError: the engine is not installed; the message says what to install.
        FileExistsError: there is something at `bundle`.
        RuntimeError: the engine does not show the codes of an output.
    """
    reading = read(model)
    program = reading.program
    chosen = _engine(engine)
    require_fit(reading, engine)
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
    arrays = input_arrays(reading, x)
    codes = quantize_inputs(reading, arrays)
    with tempfile.TemporaryDirectory() as folder, _destination(bundle) as destination:
        session = chosen(reading, folder)
        counts = _Counts(program)
        record = None if destination is None else Bundle(session, folder)
        progress = keras.utils.Progbar(len(codes[0]), verbose=int(verbose), unit_name="sample")
        for batch, quantized, expected in _expected(model, reading, arrays, codes, batch_size):
            computed = session.compute(batch, quantized)
            for position, values in expected.items():
                if position in computed:
                    counts.add(position, values, computed[position])
            if record is not None:
                outputs = [expected[position] for position in program.outputs]
                record.add(batch, quantized, outputs)
            progress.add(len(batch[0]))
        rows = counts.rows()
        _require_outputs(program, rows, engine)
        result = Verification(
            engine,
            chosen.version(),
            _cpu(),
            len(codes[0]),
            [rows[position] for position in program.outputs],
            list(rows.values()),
        )
        if record is not None:
            record.write(destination, result)
    return result


def _expected(model, reading, arrays, codes, batch_size):
    """Yield a batch of inputs, of their codes, and of the codes that Keras computes, by position.

    The latter are floats: whatever Keras computes beside the grid is a difference.
    """
    with deep_recursion():
        simulate = keras.Model(model.inputs, list(reading.taps))
    for start in range(0, len(codes[0]), batch_size):
        part = slice(start, start + batch_size)
        batch = [a[part] for a in arrays]
        simulated = keras.tree.flatten(simulate(batch, training=False))
        expected = {}
        for position, values in zip(reading.taps.values(), simulated, strict=True):
            values = ops.convert_to_numpy(values).astype(np.float64)
            expected[position] = np.ldexp(values, -reading.program.tensors[position].exponent)
        yield batch, [c[part] for c in codes], expected


def _destination(bundle):
    """Return a context of the folder for a bundle, None if none is wanted."""
    return contextlib.nullcontext() if bundle is None else folder_written_whole(bundle)


def _require_outputs(program, rows, engine):
    hidden = [program.tensors[p].name for p in program.outputs if p not in rows]
    if hidden:
        raise RuntimeError(
            f"Engine '{engine}' does not show the codes of every output: verify the model without "
            f"the layers behind its last quantizers. Received: {hidden}"
        )


class _Counts:
    """Differences by position, over batches."""

    def __init__(self, program: Program):
        self.program = program
        self.counts = {}

    def add(self, position, expected, codes):
        if codes.shape != expected.shape:
            raise RuntimeError(
                f"The engine must give '{self.program.tensors[position].name}' in the shape that "
                f"Keras has. Received: {codes.shape} instead of {expected.shape}"
            )
        difference = np.abs(expected - codes)
        mismatches, total, most = self.counts.get(position, (0, 0, 0))
        self.counts[position] = (
            mismatches + int(np.count_nonzero(difference)),
            total + difference.size,
            max(most, int(np.ceil(difference.max(initial=0)))),
        )

    def rows(self):
        return {
            position: Difference(self.program.tensors[position].name, *counts)
            for position, counts in self.counts.items()
        }


def _engine(name):
    if name not in ENGINES:
        raise ValueError(f"`engine` must be one of {sorted(ENGINES)}. Received: engine={name!r}")
    return ENGINES[name]


def _cpu() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
