"""How many sums of a network are ties, and where engines give different codes."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from keras_alt.integer import Reading, quantize_inputs, read, trace
from keras_alt.robustness.reach import as_written, can_differ, sums_of
from keras_alt.robustness.sites import Site, sites
from keras_alt.targets import get_target
from keras_alt.text_tables import text_table


@dataclass(frozen=True)
class RobustnessRow:
    """One place where a network rounds.

    Attributes:
        name: name of the quantizer.
        kind: what is rounded: "kernel", "add", "mean", "average_pool", "multiply" or "rescale".
        shifts: by how many bits sums are shifted to the right, to the left if negative. A kernel
            with a scale for each channel has several.
        sums: number of sums on the data.
        ties: how many of them lie halfway between two codes.
        differing: for how many of them two rules of the engines give different codes.
        possible: whether two rules can give different codes for any input.
    """

    name: str
    kind: str
    shifts: tuple[int, ...]
    sums: int
    ties: int
    differing: int
    possible: bool


@dataclass(frozen=True)
class Robustness:
    """The result of `keras_alt.robust`. It is true if no input can make engines differ.

    Attributes:
        rows: a `RobustnessRow` for each quantizer that rounds integers, in the order of
            computation.
        samples: number of samples that were counted.
    """

    rows: list[RobustnessRow]
    samples: int

    @property
    def possible(self) -> list[RobustnessRow]:
        """The rows in which engines can give different codes."""
        return [row for row in self.rows if row.possible]

    def __bool__(self):
        return not self.possible

    def __str__(self):
        header = ("quantizer", "rounds", "shift", "ties", "codes that differ", "for any input")
        table = text_table(header, [_cells(row) for row in self.rows])
        return (
            f"{table}\n{self.samples} samples; engines can differ in {len(self.possible)} of "
            f"{len(self.rows)} quantizers"
        )


def _cells(row):
    shares = (f"{count / max(row.sums, 1):.3%}" for count in (row.ties, row.differing))
    bound = "possible" if row.possible else "impossible"
    ends = dict.fromkeys(map(str, (row.shifts[0], row.shifts[-1])))
    return row.name, row.kind, " to ".join(ends), *shares, bound


def robust(model: keras.Model, x, batch_size: int = 8) -> Robustness:
    """Tell how far the codes of a quantized model depend on the rounding of the engine.

    The rules that are compared are those of XNNPACK, TFLM and ONNX Runtime for each kind of
    operation, as the targets "litert", "tflm" and "onnx" have them. They are applied to the sums
    that the model's own target gives on `x`. Where a `.tflite` makes TFLM round once, as
    `keras_alt.settle` explains, that rounding is compared.

    Args:
        model: quantized and calibrated, without float layers between quantizers.
        x: inputs as the model takes them.
        batch_size: how many samples are computed at a time, in NumPy.

    Returns:
        A `Robustness`; `print` shows it as a table.

    Raises:
        NotIntegerError: the model has no integer form.

    Example:

    ```python
    print(keras_alt.robust(quantized, x_test[:64]))
    ```
    """
    reading = read(model)
    reading.require_integers("`keras_alt.robust`")
    found = sites(reading.program)
    if get_target(reading.target).kernel == "half_even":  # other files keep their scales
        found = list(map(as_written, found))
    found = [(site, sums_of(reading.program, site)) for site in found]
    counts, samples = np.zeros((len(found), 3), np.int64), 0
    for values, count in _traced(reading, x, [site for site, _ in found], batch_size):
        samples += count
        for number, (site, _) in enumerate(found):
            sums = site.own(values[site.step.inputs[0]])
            counts[number] += (sums.size, np.sum(site.tied(sums)), np.sum(site.differ(sums)))
    steps = dict.fromkeys(site.step.output for site, _ in found)
    numbers = ([n for n, (s, _) in enumerate(found) if s.step.output == p] for p in steps)
    return Robustness([_row([found[n] for n in ns], counts[ns]) for ns in numbers], samples)


def _row(parts, counts):
    """Return the row of a step, from its sites with their sums and from their counts."""
    first, _ = parts[0]
    return RobustnessRow(
        first.codes.name,
        first.kind,
        tuple(sorted({site.shift for site, _ in parts})),
        *map(int, counts.sum(axis=0)),
        possible=any(can_differ(site, sums) for site, sums in parts),
    )


def _traced(reading: Reading, x, found: list[Site], batch_size) -> Iterator[tuple[dict, int]]:
    """Yield the sums of all sites by position, and how many samples they are of."""
    codes = quantize_inputs(reading, x)
    kept = {site.step.inputs[0] for site in found}
    for start in range(0, len(codes[0]), batch_size):
        batch = [c[start : start + batch_size] for c in codes]
        yield trace(reading.program, batch, keep=kept), len(batch[0])
