"""The proof of one engine: its codes beside those of Keras, batch by batch."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_alt.differences import Counts, Difference
from keras_alt.engines import Engine
from keras_alt.engines.restart import Restart, codes_at
from keras_alt.graph import deep_recursion
from keras_alt.input_shapes import has_open_sizes, with_input_shape
from keras_alt.integer import Reading, input_arrays, quantize_inputs, read
from keras_alt.number_checks import whole_number
from keras_alt.progress import progress_bar


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


@dataclass(frozen=True)
class Batch:
    """Samples, and what Keras and an engine compute of them.

    Attributes:
        arrays: inputs of the Keras model.
        quantized: codes of `Reading.program.inputs`.
        keras: `{position: codes that Keras computes}`. They are float64. A value that does not lie
            on the grid counts as a difference.
        expected: the codes to expect of the engine, see `Restart`.
        computed: `{position: codes that the engine computes}`.
    """

    arrays: list[np.ndarray]
    quantized: list[np.ndarray]
    keras: dict[int, np.ndarray]
    expected: dict[int, np.ndarray] = field(default_factory=dict)
    computed: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """A model in integers and the inputs to compare it on.

    Attributes:
        model: calibrated model, of which `reading` was read.
        reading: the model in integers.
        arrays: inputs of the model.
        codes: the same inputs, quantized.
        batch_size: how many samples are compared at a time.
    """

    model: keras.Model
    reading: Reading
    arrays: list[np.ndarray]
    codes: list[np.ndarray]
    batch_size: int

    @classmethod
    def of(cls, model: keras.Model, reading: Reading, x, batch_size: int) -> "Samples":
        """Check and quantize inputs as `keras_alt.verify` takes them."""
        whole_number("batch_size", batch_size)
        arrays = input_arrays(reading, x)
        return cls(model, reading, arrays, quantize_inputs(reading, arrays), batch_size)

    def __len__(self):
        return len(self.codes[0])

    def batches(self) -> Iterator[Batch]:
        """Yield the batches as Keras computes them."""
        reading = self.reading
        with deep_recursion():
            simulate = keras.Model(self.model.inputs, list(reading.taps))
        for start in range(0, len(self), self.batch_size):
            part = slice(start, start + self.batch_size)
            arrays = [a[part] for a in self.arrays]
            simulated = keras.tree.flatten(simulate(arrays, training=False))
            codes = codes_at(reading, reading.taps.values(), simulated)
            yield Batch(arrays, [c[part] for c in self.codes], codes)


class Proof:
    """Compares the codes of one engine with those of Keras, batch by batch.

    Args:
        samples: a model and its inputs.
        engine: the name of the engine.
        session: computes the codes.
    """

    def __init__(self, samples: Samples, engine: str, session: Engine):
        self.samples, self.engine, self.session = samples, engine, session
        names = [tensor.name for tensor in samples.reading.program.tensors]
        self.counts, self.behind = Counts(names), Counts(names)
        self.restart = Restart(samples.model, samples.reading)

    def add(self, batch: Batch) -> Batch:
        """Count the differences of a batch; return it with what the engine computes."""
        reading, restart = self.samples.reading, self.restart
        computed = self.session.compute(batch.arrays, batch.quantized)
        _require_shown(reading, computed, self.engine)
        for position, values in batch.keras.items():
            if position in computed and position in restart.behind:
                self.behind.add(position, values, computed[position])
        expected = restart.expected(batch.arrays, batch.keras, computed)
        for position, values in expected.items():
            if position in computed:
                self.counts.add(position, values, computed[position])
        return Batch(batch.arrays, batch.quantized, batch.keras, expected, computed)

    def result(self) -> Verification:
        """Return what was found on the batches so far."""
        rows, reading = self.counts.rows(), self.samples.reading
        return Verification(
            self.engine,
            self.session.version(),
            processor(),
            len(self.samples),
            [rows[position] for position in reading.ends() if position in rows],
            list(rows.values()),
            reading.rounding_layers(),
            list(self.behind.rows().values()),
        )


def proved(
    samples: Samples,
    engine: str,
    session: Engine,
    verbose: bool,
    watch: Callable[[Batch], None],
) -> Verification:
    """Compare the codes of an engine with those of Keras, on all samples.

    Args:
        samples, engine, session: as in `Proof`.
        verbose: whether to show a progress bar.
        watch: is given each batch.
    """
    proof = Proof(samples, engine, session)
    progress = progress_bar(len(samples), "sample", verbose)
    for batch in samples.batches():
        watch(proof.add(batch))
        progress.add(len(batch.arrays[0]))
    return proof.result()


def read_for(model: keras.Model, x) -> tuple[keras.Model, Reading]:
    """Read a model into integers, with the sizes of inputs `x` where it leaves them open."""
    if has_open_sizes(model):
        model = with_input_shape(model, _shapes(model, x))
    return model, read(model)


def _shapes(model, x):
    """Return the shapes of the inputs without the batch, in the order of the model's inputs."""
    if isinstance(x, dict):
        given, names = model.input, [tensor.name for tensor in model.inputs]
        keys = sorted(given) if isinstance(given, dict) else names
        if set(x) != set(keys):
            raise ValueError(f"`x` must have the keys {keys}. Received: {list(x)}")
        x = [x[key] for key in keys]
    return [np.shape(array)[1:] for array in keras.tree.flatten(x)]


def _require_shown(reading, computed, engine):
    wanted = [*reading.ends(), *reading.fed()]
    hidden = [reading.program.tensors[p].name for p in wanted if p not in computed]
    if hidden:
        raise RuntimeError(
            f"Engine '{engine}' does not show the codes of every output and behind every float "
            f"layer: verify the model without its float layers. Received: {hidden}"
        )


def processor() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
