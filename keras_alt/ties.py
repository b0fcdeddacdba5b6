"""Which rounding rule explains the codes of an engine, and how many of its sums are ties."""

from collections.abc import Container
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from keras_alt.differences import matched
from keras_alt.integer import OPERATIONS, Program, Step
from keras_alt.integer.arithmetic import ROUNDINGS, requantize

WORDS = {
    "half_even": "half to even",
    "half_up": "half up",
    "half_away": "half away from zero",
    "half_away_stored": "half away from the stored zero",
    "floor": "down",
    "double": "twice (half up, then half away from zero)",
}
PLACES = {
    "convolve": "convolutions",
    "convolve_transposed": "transposed convolutions",
    "matrix_product": "dense layers",
    "batch_matmul": "matrix products",
    "add": "additions",
    "subtract": "subtractions",
    "product": "products",
    "multiply": "products",
    "window_sum": "average pools",
    "reduce_sum": "means",
    "requantize": "moves to another grid",
}
SUBJECTS = {
    "c": "The exported C rounds",
    "hls4ml": "hls4ml's C simulation rounds",
    "integer": "The integer engine rounds",
    "litert": "LiteRT's default kernels round",
    "litert-reference": "LiteRT's reference kernels round",
    "onnxruntime": "ONNX Runtime rounds",
    "qonnx": "qonnx rounds",
    "tflm": "TFLM rounds",
}


@dataclass(frozen=True)
class Explanation:
    """How an engine rounds at the first quantizer whose codes differ.

    Attributes:
        engine: name of the engine.
        name: of the quantizer.
        layers: names of the layers whose results are rounded there, in order.
        operations: operations of the integer program whose results are rounded there, in order.
        rules: rules of the model's target for them.
        total: number of codes.
        differing: number of codes that differ.
        ties: number of codes that depend on a tie, a remainder of exactly one half.
        differing_ties: number of codes that differ and depend on a tie.
        shifts: `{shift: number of ties}` of all that is rounded. A shift is log2 of the step of the
            result over the step of the sum; an average is divided by its cells besides. Channels
            with scales of their own have shifts of their own.
        explaining: the rules, of all in `keras_alt.integer.arithmetic`, that give exactly the
            codes of the engine from the codes in front.
    """

    engine: str
    name: str
    layers: list[str]
    operations: list[str]
    rules: list[str]
    total: int
    differing: int
    ties: int
    differing_ties: int
    shifts: dict[int, int]
    explaining: list[str]

    opening: ClassVar[str] = "first at"

    def __str__(self):
        places = " and ".join(dict.fromkeys(PLACES.get(o, o) for o in self.operations))
        shifts = ", ".join(f"{count:,} of shift {s}" for s, count in sorted(self.shifts.items()))
        behind = f" behind {', '.join(dict.fromkeys(self.layers))}" if self.layers else ""
        lines = [
            f"{self.engine}, {self.opening} {self.name}{behind}: {self.differing:,} of "
            f"{self.total:,} codes differ, {self.differing_ties:,} of them at ties; "
            f"{self.ties:,} codes are at ties ({shifts or 'none'})"
        ]
        ours = " and ".join(dict.fromkeys(WORDS.get(rule, rule) for rule in self.rules))
        subject = SUBJECTS.get(self.engine, f"Engine '{self.engine}' rounds")
        if not self.operations:
            lines.append("No rounding of the integer program lies between it and the inputs.")
        elif self.explaining:
            found = " or ".join(WORDS.get(rule, rule) for rule in self.explaining)
            open_ = " (these codes do not tell which)" if len(self.explaining) > 1 else ""
            lines.append(f"{subject} {found}{open_} in {places}; the target rounds {ours}.")
        else:
            lines.append(
                f"None of the known rules explains its codes in {places}; the target rounds {ours}."
            )
        return "\n".join(lines)


class FurtherExplanation(Explanation):
    """How an engine rounds at a quantizer behind others that differ.

    Codes that differ are those that the target's rules do not give from the engine's own codes in
    front.
    """

    opening: ClassVar[str] = "by its own codes in front also at"


class TieSearch:
    """Computes a quantizer of a program from the codes in front of it, under every rule.

    Args:
        program: the integers of the model.
        position: that of the quantizer's codes.
        known: positions whose codes `add` is given.
    """

    def __init__(self, program: Program, position: int, known: Container[int]):
        self.program, self.position = program, position
        self.steps = steps_between(program, position, known)
        self.operands = {p for step in self.steps for p in step.inputs}
        self.operands -= {step.output for step in self.steps}
        self.producers = {step.output: step for step in program.steps}
        self.roundings = [step for step in self.steps if _rounds(step)]
        self.sources = [_rounded_step(self.producers, step) for step in self.roundings]
        self.first = self.steps.index(self.roundings[0]) if self.roundings else len(self.steps)
        self.explaining = [rule for rule in (*ROUNDINGS, "double") if self._has_form(rule)]
        self.total = self.differing = self.ties = self.differing_ties = 0
        self.shifts: dict[int, int] = {}

    @property
    def operations(self) -> list[str]:
        """Operations whose results are rounded, in order."""
        return [source.operation for source in self.sources]

    def expected(self, codes: dict[int, np.ndarray]) -> np.ndarray:
        """Return the codes of the quantizer under the rules of the target.

        Args:
            codes: of `operands`, by position.
        """
        values = self._operands(codes)
        for step in self.steps:
            values[step.output] = _computed(step, values)
        return values[self.position]

    def _operands(self, codes):
        return {p: np.asarray(codes[p]).astype(np.int64) for p in self.operands}

    def _has_form(self, rule):
        """Return whether a rule can be tried, and is not the same as another one here."""
        rules = [step.attributes for step in self.roundings]
        if rule == "double" and any(np.ndim(r["divisor"]) for r in rules):
            return False
        if rule == "half_away_stored" and not any(r["offset"] for r in rules):
            return False
        return bool(rules)

    def add(self, codes: dict[int, np.ndarray], expected: np.ndarray, computed: np.ndarray):
        """Add a batch.

        Args:
            codes: of `operands`, by position.
            expected, computed: codes of the quantizer, of Keras and of the engine.
        """
        expected, computed = matched(expected, computed, self.program.tensors[self.position].name)
        differs = expected != computed
        self.total += differs.size
        self.differing += int(np.count_nonzero(differs))
        if not self.roundings:
            return
        values = self._operands(codes)
        for step in self.steps[: self.first]:
            values[step.output] = _computed(step, values)
        up, down = (self._finished(values, rule) for rule in ("half_up", "half_down"))
        is_tie = np.broadcast_to(up != down, differs.shape)
        self.ties += int(np.count_nonzero(is_tie))
        self.differing_ties += int(np.count_nonzero(is_tie & differs))
        self._count_shifts(values)
        self.explaining = [
            rule
            for rule in self.explaining
            if np.array_equal(
                np.broadcast_to(self._finished(values, rule), computed.shape), computed
            )
        ]

    def _finished(self, values, rule):
        """Return the codes of the quantizer if everything rounds by one rule."""
        values = dict(values)
        for step in self.steps[self.first :]:
            if _rounds(step):
                values[step.output] = self._rounded(step, values[step.inputs[0]], rule)
            else:
                values[step.output] = _computed(step, values)
        return values[self.position]

    def _rounded(self, step, sums, rule):
        rules = step.attributes
        if rule == "half_down":
            bounds = {"low": -rules["high"], "high": -rules["low"]}
            return -requantize(-sums, **{**rules, **bounds, "rounding": "half_up", "offset": 0})
        result = requantize(sums, **{**rules, "rounding": "half_up" if rule == "double" else rule})
        if rule == "double":
            for shift, channels in self._channels(step):
                fewer = {**rules, "rounding": rule, "shift": rules["shift"] - shift}
                result[..., channels] = requantize(sums[..., channels] >> shift, **fewer)
        return result

    def _count_shifts(self, values):
        """Count the ties of everything that is rounded, under the rules of the target."""
        values = dict(values)
        for step in self.steps[self.first :]:
            if _rounds(step):
                sums = values[step.inputs[0]]
                up, down = (self._rounded(step, sums, r) for r in ("half_up", "half_down"))
                for shift, channels in self._channels(step):
                    count = int(np.count_nonzero((up != down)[..., channels]))
                    own = step.attributes["shift"] - shift
                    if count:
                        self.shifts[own] = self.shifts.get(own, 0) + count
            values[step.output] = _computed(step, values)

    def _channels(self, step):
        """Yield the shift of a kernel's channels against the finest grid, and which have it."""
        shifts = _kernel_shifts(_rounded_step(self.producers, step))
        if shifts is None:
            yield 0, slice(None)
        else:
            yield from ((int(s), np.flatnonzero(shifts == s)) for s in np.unique(shifts))

    def explanation(self, engine: str) -> Explanation:
        """Return what was found on all batches."""
        return Explanation(
            engine,
            self.program.tensors[self.position].name,
            [source.layer for source in self.sources],
            self.operations,
            [step.attributes["rounding"] for step in self.roundings],
            self.total,
            self.differing,
            self.ties,
            self.differing_ties,
            dict(sorted(self.shifts.items())),
            self.explaining,
        )


def steps_between(program: Program, position: int, known: Container[int]) -> list[Step]:
    """Return the steps that compute a position from known ones, in order."""
    wanted, found = {position}, []
    for step in reversed(program.steps):
        if step.output in wanted:
            found.append(step)
            wanted.update(p for p in step.inputs if p not in known)
    return found[::-1]


def _computed(step, values):
    operands = [values[p] for p in step.inputs]
    return OPERATIONS[step.operation].compute(*operands, **step.arguments)


def _rounds(step):
    attributes = step.attributes
    return step.operation == "requantize" and bool(
        attributes["shift"] > 0 or np.any(attributes["divisor"] != 1)
    )


def _rounded_step(producers, step):
    """Return the step whose results are rounded by `step`, or `step` itself if codes only move.

    What lies in between keeps the grid of sums.
    """
    source = producers.get(step.inputs[0])
    while source is not None and source.operation in ("add_constant", "clip", "transpose"):
        source = producers.get(source.inputs[0])
    sums = source is not None and source.operation in PLACES and source.operation != "requantize"
    return source if sums else step


def _kernel_shifts(source):
    """Return the shift of each channel of a kernel against the finest, None if all are alike."""
    kernel = source.attributes.get("kernel")
    return None if kernel is None or kernel.shifts is None else kernel.shifts.ravel()
