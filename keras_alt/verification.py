"""Comparison of the codes of a Keras model with those of an engine."""

import contextlib
import os
import platform
import tempfile
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_alt.engines import ENGINES
from keras_alt.engines.bundle import Bundle
from keras_alt.engines.fitting import require_fit
from keras_alt.engines.folders import folder_written_whole
from keras_alt.engines.restart import Restart, codes_at
from keras_alt.graph import deep_recursion
from keras_alt.input_shapes import has_open_sizes, with_input_shape
from keras_alt.integer import Program, input_arrays, quantize_inputs, read


@dataclass(frozen=True)
class Difference:
    """The differences between the codes of the Keras model and of an engine, for one tensor.

    Attributes:
        name: name of the quantizer.
        mismatches: number of codes that differ.
        total: number of codes compared.
        max_lsb: largest difference, in grid steps.
    """

    name: str
    mismatches: int
    total: int
    max_lsb: int


@dataclass(frozen=True)
class Verification:
    """The result of `keras_alt.verify`. It is true if all output codes are equal.

    An engine may round the values of float layers otherwise than Keras does. Behind float layers
    between quantizers, and behind those with weights in front, Keras computes on from the codes
    that the engine gave there. So each part in integers is compared exactly. `behind` compares with
    Keras' own codes.

    Attributes:
        engine, version, cpu: name and version of the engine, and the processor. The result holds
            for these.
        samples: number of samples compared.
        outputs: a `Difference` for each output tensor, and for each tensor that a float layer
            between quantizers reads.
        layers: a `Difference` for each quantizer whose codes the engine shows, in the order of
            computation.
        mismatches, total, max_lsb: those of all `outputs` together.
        floats: names of these float layers.
        behind: a `Difference` from Keras' own codes for each quantizer behind these layers.
    """

    engine: str
    version: str
    cpu: str
    samples: int
    outputs: list[Difference]
    layers: list[Difference]
    floats: list[str] = field(default_factory=list)
    behind: list[Difference] = field(default_factory=list)

    @property
    def mismatches(self) -> int:
        return sum(row.mismatches for row in self.outputs)

    @property
    def total(self) -> int:
        return sum(row.total for row in self.outputs)

    @property
    def max_lsb(self) -> int:
        return max((row.max_lsb for row in self.outputs), default=0)

    @property
    def first_difference(self) -> Difference | None:
        """The first quantizer whose codes differ, None if there is none."""
        return next((row for row in self.layers if row.mismatches), None)

    def __bool__(self):
        return self.mismatches == 0

    def __str__(self):
        given = " of the integer parts" if self.floats else ""
        lines = [
            f"{self.mismatches} of {self.total} output codes{given} differ (by {self.max_lsb} at "
            f"most), {self.samples} samples, {self.engine} {self.version} on {self.cpu}"
        ]
        if self.floats:
            mismatches, total = (
                sum(getattr(row, name) for row in self.behind) for name in ("mismatches", "total")
            )
            lines.append(
                f"behind the float layers {', '.join(self.floats)}, {mismatches} of {total} codes "
                f"differ from Keras' own (by {max(row.max_lsb for row in self.behind)} at most)"
            )
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

    The model is exported by the public exporter, and the engine runs the file. The codes of every
    quantizer in the graph are compared. The output codes are those of the last quantizer before
    each output of the model. Behind float layers, see `Verification`.

    Args:
        model: quantized and calibrated model from `keras_alt.quantize_model`. The engine must
            follow the rules of its target.
        x: inputs in the shapes that the model takes. Use about 1,000 real samples. A size that the
            model leaves open is that of `x`; the file is written for it.
        engine: "integer" (NumPy), "c" (by the system's compiler), "cortex-m" (the same C on an
            emulated board), "litert", "litert-reference", "tflm", "onnxruntime", "qonnx" (slow) or
            "hls4ml", or the name of another engine in `keras_alt.engines.ENGINES`.
        bundle: folder to write, new or empty; or None. It gets the exported files, the inputs, the
            expected output codes and `verify.py`. This script repeats the comparison on a machine
            with the engine. It needs no Keras.
        batch_size: number of samples per batch.
        verbose: whether to show a progress bar.

    Returns:
        A `Verification`.

    Raises:
        ValueError: the model has no integer form or is not calibrated, the engine does not follow
            the rules of its target, or `x` has NaN, no samples or a wrong shape.
        ImportError: the engine is not installed. The message says what to install.
        FileExistsError: `bundle` is a file or a folder that is not empty.
        RuntimeError: the engine does not show the codes of an output.

    Example:

    ```python
    result = keras_alt.verify(quantized, x_test, engine="integer")
    print(result)  # 0 of 512 output codes differ (by 0 at most), 256 samples, ...
    if not result:
        print(result.first_difference)
    ```
    """
    if has_open_sizes(model):
        model = with_input_shape(model, _shapes(model, x))
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
        counts, behind = _Counts(program), _Counts(program)
        restart = Restart(model, reading)
        record = None if destination is None else Bundle(session, folder, reading)
        progress = keras.utils.Progbar(len(codes[0]), verbose=int(verbose), unit_name="sample")
        for batch, quantized, expected in _expected(model, reading, arrays, codes, batch_size):
            computed = session.compute(batch, quantized)
            _require_shown(reading, computed, engine)
            for position, values in expected.items():
                if position in computed and position in restart.behind:
                    behind.add(position, values, computed[position])
            for position, values in restart.expected(batch, expected, computed).items():
                if position in computed:
                    counts.add(position, values, computed[position])
            if record is not None:
                outputs = [expected[position] for position in reading.ends()]
                record.add(batch, quantized, outputs)
            progress.add(len(batch[0]))
        rows = counts.rows()
        result = Verification(
            engine,
            chosen.version(),
            _cpu(),
            len(codes[0]),
            [rows[position] for position in reading.ends() if position in rows],
            list(rows.values()),
            reading.rounding_layers(),
            list(behind.rows().values()),
        )
        if record is not None:
            record.write(destination, result)
    return result


def _expected(model, reading, arrays, codes, batch_size):
    """Yield `(inputs, input codes, {position: codes that Keras computes})` for each batch.

    The codes of Keras are float64. A value that does not lie on the grid counts as a difference.
    """
    with deep_recursion():
        simulate = keras.Model(model.inputs, list(reading.taps))
    for start in range(0, len(codes[0]), batch_size):
        part = slice(start, start + batch_size)
        batch = [a[part] for a in arrays]
        simulated = keras.tree.flatten(simulate(batch, training=False))
        expected = codes_at(reading, reading.taps.values(), simulated)
        yield batch, [c[part] for c in codes], expected


def _shapes(model, x):
    """Return the shapes of the inputs without the batch, in the order of the model's inputs."""
    if isinstance(x, dict):
        given, names = model.input, [tensor.name for tensor in model.inputs]
        x = [x[key] for key in (sorted(given) if isinstance(given, dict) else names)]
    return [np.shape(array)[1:] for array in keras.tree.flatten(x)]


def _destination(bundle):
    """Return a context manager that gives the folder of the bundle, or None without a bundle."""
    return contextlib.nullcontext() if bundle is None else folder_written_whole(bundle)


def _require_shown(reading, computed, engine):
    wanted = [*reading.ends(), *reading.fed()]
    hidden = [reading.program.tensors[p].name for p in wanted if p not in computed]
    if hidden:
        raise RuntimeError(
            f"Engine '{engine}' does not show the codes of every output and behind every float "
            f"layer: verify the model without its float layers. Received: {hidden}"
        )


class _Counts:
    """Counts the differences at each position over all batches."""

    def __init__(self, program: Program):
        self.program = program
        self.counts = {}

    def add(self, position, expected, codes):
        if codes.shape[1:] == expected.shape[1:] and 1 in (len(codes), len(expected)):
            # What depends on no input, such as a position embedding, may come for one sample.
            codes, expected = np.broadcast_arrays(codes, expected)
        if codes.shape != expected.shape:
            raise RuntimeError(
                f"The engine must return '{self.program.tensors[position].name}' in the shape "
                f"that Keras has. Received: shape={codes.shape}, expected {expected.shape}"
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
