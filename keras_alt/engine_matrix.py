"""One model on several engines: what each of them computes, and why it differs."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_alt.engines import ENGINES
from keras_alt.engines.foreign import readable_by
from keras_alt.files import scratch_folder
from keras_alt.local_rules import LocalRules
from keras_alt.progress import progress_bar
from keras_alt.proving import Batch, Proof, Samples, Verification
from keras_alt.text_tables import text_table
from keras_alt.ties import Explanation, FurtherExplanation, TieSearch

EXTRA = re.compile(r"pip install '[^']+'")


@dataclass(frozen=True)
class EngineRow:
    """What one engine makes of a model.

    Attributes:
        engine: name of the engine.
        result: the `Verification`; None if the engine computes nothing here.
        install: the command that installs a missing engine, else None.
        refusal: why an engine that is installed does not compute the model, else None.
        explanation: how it rounds where its codes differ first. None if none differ, or behind
            float layers, where no codes in front tell it.
        further: how it rounds operations of other kinds, if otherwise than the target, one
            explanation for each kind. See `LocalRules`.
    """

    engine: str
    result: Verification | None = None
    install: str | None = None
    refusal: str | None = None
    explanation: Explanation | None = None
    further: list[FurtherExplanation] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        """Return engine, codes, mismatches, largest difference and first difference as text."""
        if self.result is None:
            return self.engine, "", "", "", ""
        first = self.result.first_difference
        return (
            self.engine,
            f"{self.result.total:,}",
            f"{self.result.mismatches:,}",
            f"{self.result.max_lsb}",
            "" if first is None else first.name,
        )

    def notes(self) -> Iterator[str]:
        """Yield what does not fit into a table."""
        if self.install is not None:
            yield f"{self.engine} is not installed: {self.install}"
        if self.refusal is not None:
            yield f"{self.engine} does not compute this model: {self.refusal}"
        if self.explanation is not None:
            yield str(self.explanation)
        yield from map(str, self.further)


@dataclass(frozen=True)
class EngineMatrix:
    """The result of `keras_alt.verify(q, x, engines=...)`. `str()` returns it as a table.

    It is true if an engine computes the model, and if the output codes of all that do are equal to
    those of Keras. Engines of the model's target follow the rules that it was trained by. Others
    show what they make of the same integers: engines of LiteRT files run the file of the target,
    and ONNX Runtime a file with the same codes and grids.

    Attributes:
        rows: an `EngineRow` for each engine that was asked for, in that order.
        samples: number of samples compared.
    """

    rows: list[EngineRow]
    samples: int

    def __getitem__(self, engine: str) -> EngineRow:
        return {row.engine: row for row in self.rows}[engine]

    def __bool__(self):
        results = [row.result for row in self.rows if row.result is not None]
        return bool(results) and all(map(bool, results))

    def __str__(self):
        header = ("engine", "codes", "mismatches", "max LSB", "first difference")
        table = text_table(header, [row.cells() for row in self.rows])
        return "\n".join([table, *(note for row in self.rows for note in row.notes())])


def compared_on(engines: Sequence[str], samples: Samples, verbose: bool) -> EngineMatrix:
    """Compare a model on engines. Keras computes each batch once, for all of them.

    Args:
        engines: names in `keras_alt.engines.ENGINES`.
        samples: a model and its inputs.
        verbose: whether to show a progress bar.
    """
    progress = progress_bar(len(samples), "sample", verbose)
    with contextlib.ExitStack() as folders:
        runs = [_Run(engine, samples, folders) for engine in engines]
        for batch in samples.batches():
            for run in runs:
                run.add(batch)
            progress.add(len(batch.arrays[0]))
        return EngineMatrix([run.row() for run in runs], len(samples))


class _Run:
    """One engine at work: its proof, or why it computes nothing."""

    def __init__(self, engine: str, samples: Samples, folders: contextlib.ExitStack):
        self.engine, self.samples = engine, samples
        self.witness, self.rules = Witness(), LocalRules(samples.reading)
        self.proof: Proof | None = None
        self.nothing: EngineRow | None = None
        with self._told():
            reading = readable_by(samples.reading, engine)
            folder = folders.enter_context(scratch_folder())
            self.proof = Proof(samples, engine, ENGINES[engine](reading, folder))

    def add(self, batch: Batch):
        """Compute a batch, unless the engine has refused."""
        if self.nothing is None:
            with self._told():
                computed = self.proof.add(batch)
                self.witness.add(computed)
                self.rules.add(computed)

    def row(self) -> EngineRow:
        if self.nothing is not None:
            return self.nothing
        first = _explanation(self.engine, self.samples, self.witness)
        known = [] if first is None else first.operations
        further = self.rules.explanations(self.engine)
        further = [one for one in further if not set(one.operations) <= set(known)]
        return EngineRow(self.engine, self.proof.result(), explanation=first, further=further)

    @contextlib.contextmanager
    def _told(self):
        """Make a row of what the engine raises, for the others go on."""
        try:
            yield
        except ImportError as error:
            found = EXTRA.search(str(error))
            install = found.group() if found else _in_one_line(error)
            self.nothing = EngineRow(self.engine, install=install)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            self.nothing = EngineRow(self.engine, refusal=_in_one_line(error))


def _in_one_line(error):
    return " ".join(str(error).split())


class Witness:
    """Keeps the codes that an engine computes at the first quantizer where they differ.

    Attributes:
        position: of this quantizer, None as long as nothing differs.
        codes: `{number of the batch: codes}` for the batches in which they differ.
    """

    def __init__(self):
        self.position: int | None = None
        self.codes: dict[int, np.ndarray] = {}
        self.batches = 0

    def add(self, batch: Batch):
        """Look at a batch; `batch.expected` is in the order of computation."""
        for position, expected in batch.expected.items():
            if position in batch.computed and np.any(expected != batch.computed[position]):
                if self.position != position:
                    self.position, self.codes = position, {}
                self.codes[self.batches] = batch.computed[position]
            if position == self.position:
                break  # what lies behind it does not matter
        self.batches += 1


def _explanation(engine, samples, witness):
    """Return why the first codes that differ do; None without, or behind float layers.

    In front of them all codes are equal to those of Keras. So Keras gives the operands.
    """
    position, reading = witness.position, samples.reading
    if position is None or position in reading.behind():
        return None
    known = {*reading.taps.values(), *reading.program.inputs}
    search = TieSearch(reading.program, position, known)
    for number, batch in enumerate(samples.batches()):
        codes = {**dict(zip(reading.program.inputs, batch.quantized, strict=True)), **batch.keras}
        expected = batch.keras[position]
        search.add(codes, expected, witness.codes.get(number, expected))
    return search.explanation(engine)
