"""The proof of a model on the engines that the command names."""

import enum
from collections.abc import Sequence

import keras

from keras_alt.engine_matrix import EngineMatrix, EngineRow
from keras_alt.proving import read_for
from keras_alt.targets import get_target
from keras_alt.verification import verify

ALL = "all"


class Verdict(enum.Enum):
    """What a proof comes to."""

    EQUAL = "equal"
    DIFFERENT = "different"
    INCOMPLETE = "incomplete"  # an engine that was named computes nothing, or no engine does


class Proof:
    """The rows of engines, and what they come to.

    Args:
        matrix: the rows.
        named: whether the user named each engine, so that each must compute.
    """

    def __init__(self, matrix: EngineMatrix, named: bool):
        self.matrix, self.named = matrix, named

    @property
    def verdict(self) -> Verdict:
        results = [row.result for row in self.matrix.rows]
        computed = [result for result in results if result is not None]
        if not all(computed):
            return Verdict.DIFFERENT
        missing = len(computed) < len(results) if self.named else not computed
        return Verdict.INCOMPLETE if missing else Verdict.EQUAL

    def data(self) -> dict:
        """Return the proof as data for JSON."""
        return {
            "verdict": self.verdict.value,
            "samples": self.matrix.samples,
            "engines": {row.engine: _data(row) for row in self.matrix.rows},
        }

    def __str__(self):
        return f"{self.matrix}\n{self.matrix.samples} samples: {self.verdict.value}"


def prove(
    model: keras.Model,
    x,
    engines: Sequence[str] | None,
    bundle: str | None = None,
    verbose: bool = True,
) -> Proof:
    """Compare a model with engines.

    Args:
        model: quantized and calibrated.
        x: inputs.
        engines: names, or `["all"]`; None for those that follow the target of the model.
        bundle: folder for a proof to repeat, of one engine; or None.
        verbose: whether to show progress.

    Raises:
        ValueError: `bundle` is given with several engines, or `verify` cannot prove the model.
    """
    if bundle is None:
        names = _following(model, x) if engines is None else engines
        names = ALL if ALL in names else list(dict.fromkeys(names))
        named = engines is not None and names != ALL
        return Proof(verify(model, x, engines=names, verbose=verbose), named)
    if engines is None or len(engines) != 1 or ALL in engines:
        raise ValueError(
            "`--bundle` holds the proof of one engine: name it by `--engines`. "
            f"Received: --engines {' '.join(engines or ['of the target'])}"
        )
    result = verify(model, x, engines[0], bundle, verbose=verbose)
    return Proof(EngineMatrix([EngineRow(engines[0], result)], result.samples), named=True)


def _following(model, x):
    return get_target(read_for(model, x)[1].target).engines


def _data(row):
    result = row.result
    told = {"install": row.install, "refusal": row.refusal}
    if result is None:
        return told
    first = result.first_difference
    return {
        "version": result.version,
        "mismatches": result.mismatches,
        "total": result.total,
        "max_lsb": result.max_lsb,
        "first_difference": None if first is None else first.name,
        "explanation": None if row.explanation is None else str(row.explanation),
        "further": list(map(str, row.further)),
        **told,
    }
