"""The result of a comparison: changed codes, and what they do to the accuracy."""

import os
from dataclasses import dataclass, field

import numpy as np

from keras_alt.junit import Case, write_junit
from keras_alt.text_tables import text_table


@dataclass(frozen=True)
class Change:
    """What changes in one tensor.

    Attributes:
        name: of the quantizer.
        changed: number of codes whose value differs.
        total: number of codes compared.
        largest: largest difference, in grid steps of the first side.
    """

    name: str
    changed: int
    total: int
    largest: float

    @property
    def share(self) -> float:
        return self.changed / self.total if self.total else 0.0


@dataclass(frozen=True)
class Accuracies:
    """The accuracy of both sides on the same samples.

    Attributes:
        first, second: share of right answers, from 0 to 1.
        difference: that of the second less that of the first.
        standard_error: of the difference. The samples are paired, so what both sides get right or
            wrong does not add to it.
    """

    first: float
    second: float
    difference: float
    standard_error: float

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray) -> "Accuracies":
        """Compare two arrays that tell for each sample whether the answer is right."""
        difference = second.astype(float) - first.astype(float)
        error = difference.std(ddof=1) / np.sqrt(difference.size) if difference.size > 1 else 0.0
        means = first.mean(), second.mean(), difference.mean()
        return cls(*(float(mean) for mean in means), float(error))

    def __str__(self):
        return (
            f"accuracy {self.first:.2%} and {self.second:.2%}: {100 * self.difference:+.2f} "
            f"points, standard error {100 * self.standard_error:.2f}"
        )


@dataclass(frozen=True)
class Comparison:
    """The result of `keras_alt.compare`. It is true if it `passed`.

    Attributes:
        first, second: what computed each side, with its version.
        samples: number of samples.
        outputs: a `Change` for each tensor of codes where the integers end.
        tensors: a `Change` for each quantizer that both sides show, in the order of computation.
        accuracies: `Accuracies` if labels were given, else None.
        allowed_drop: see `keras_alt.compare`.
        seconds: how long it took.
    """

    first: str
    second: str
    samples: int
    outputs: list[Change]
    tensors: list[Change]
    accuracies: Accuracies | None = None
    allowed_drop: float | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def changed(self) -> int:
        """Number of output codes that differ."""
        return sum(change.changed for change in self.outputs)

    @property
    def total(self) -> int:
        return sum(change.total for change in self.outputs)

    @property
    def share(self) -> float:
        return self.changed / self.total

    @property
    def largest(self) -> float:
        return max(change.largest for change in self.outputs)

    @property
    def first_change(self) -> Change | None:
        """The first tensor that differs among those that both sides show."""
        return next((change for change in self.tensors if change.changed), None)

    @property
    def passed(self) -> bool:
        """Whether no output code differs or, with `allowed_drop`, the accuracy holds."""
        return all(case.failure is None for case in self._cases())

    def __bool__(self):
        return self.passed

    def __str__(self):
        lines = [
            f"{self.changed:,} of {self.total:,} output codes differ ({self.share:.2%}, by "
            f"{self.largest:g} steps at most), {self.samples} samples",
            f"first: {self.first}",
            f"second: {self.second}",
        ]
        if not self.tensors:
            lines.append("no quantizer has the same name on both sides")
        elif self.first_change is None:
            lines.append(f"no code of the {len(self.tensors)} tensors that both show differs")
        else:
            one, many = self.first_change, sum(change.changed > 0 for change in self.tensors)
            lines.append(
                f"first at {one.name}: {one.changed:,} of {one.total:,}, by {one.largest:g} steps "
                f"at most; {many} of {len(self.tensors)} tensors that both show differ"
            )
        if self.accuracies is not None:
            lines.append(str(self.accuracies))
        return "\n".join([*lines, "passed" if self.passed else "failed"])

    def to_junit(self, path: str | os.PathLike):
        """Write the result as JUnit XML."""
        write_junit(path, "keras_alt.compare", list(self._cases()), self.seconds)

    def _cases(self):
        text = f"first: {self.first}\nsecond: {self.second}\n{_table(self.outputs)}"
        differs = self.changed > 0 and self.allowed_drop is None
        failure = f"{self.changed} of {self.total} output codes differ" if differs else None
        yield Case("output codes", text, failure)
        if self.accuracies is not None:
            limit, found = self.allowed_drop, self.accuracies
            fell = limit is not None and -found.difference > limit
            failure = f"the accuracy falls by more than {limit:.2%}" if fell else None
            yield Case("accuracy", str(found), failure)


def _table(changes):
    header = ("tensor", "codes", "changed", "share", "largest step")
    cells = [
        (c.name, f"{c.total:,}", f"{c.changed:,}", f"{c.share:.2%}", f"{c.largest:g}")
        for c in changes
    ]
    return text_table(header, cells)
