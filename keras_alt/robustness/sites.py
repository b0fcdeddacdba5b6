"""Where an integer program rounds, and by which rules engines round there."""

from dataclasses import dataclass

import numpy as np

from keras_alt.integer import OPERATIONS, Program, Step, Tensor
from keras_alt.targets import get_target

# The targets whose engines take one and the same network: XNNPACK, TFLM and ONNX Runtime.
COMPARED = ("litert", "tflm", "onnx")
# What engines call the rounding of the result of an operation, see `Target`; else "rescale".
KINDS = {
    **dict.fromkeys(("convolve", "convolve_transposed"), "kernel"),
    **dict.fromkeys(("matrix_product", "batch_matmul"), "kernel"),
    **dict.fromkeys(("add", "subtract"), "add"),
    **dict.fromkeys(("multiply", "product"), "multiply"),
    **dict.fromkeys(("reduce_sum", "total"), "mean"),
    "window_sum": "average_pool",
}
BESIDE = ("add_constant", "clip", "reshape", "transpose")  # they keep the kind of a sum


@dataclass(frozen=True)
class Site:
    """A step that rounds sums to codes.

    Attributes:
        step: the `requantize` step.
        sums, codes: the tensors in front of it and behind it.
        kind: name of the attribute of `Target` that has its rule.
        rules: the different rules of `COMPARED`, by name.
        path: the steps that give the sums, from a stored tensor on.
    """

    step: Step
    sums: Tensor
    codes: Tensor
    kind: str
    rules: tuple[str, ...]
    path: tuple[Step, ...]

    @property
    def shift(self) -> int:
        """By how many bits sums are shifted to the right, the division of averages aside."""
        return self.step.attributes["shift"]

    @property
    def rounds(self) -> bool:
        """Whether anything is rounded: sums that are shifted to the left are exact."""
        return self.shift > 0 or bool(np.any(self.step.attributes["divisor"] != 1))

    def rounded(self, sums: np.ndarray) -> list[np.ndarray]:
        """Return the codes of sums under each of the rules."""
        compute, arguments = OPERATIONS["requantize"].compute, self.step.arguments
        return [compute(sums, **{**arguments, "rounding": rule}) for rule in self.rules]

    def differ(self, sums: np.ndarray) -> np.ndarray:
        """Return whether the rules give different codes, for each sum."""
        if not self.rounds:
            return np.zeros(sums.shape, bool)
        first, *others = self.rounded(sums)
        return sum((first != other for other in others), np.zeros(sums.shape, bool))

    def tied(self, sums: np.ndarray) -> np.ndarray:
        """Return whether each sum lies halfway between two codes."""
        attributes = self.step.attributes
        unit = attributes["divisor"] << max(self.shift, 0)
        return self.rounds & (2 * ((sums << max(-self.shift, 0)) % unit) == unit)


def sites(program: Program) -> list[Site]:
    """Return the steps of a program that round, in the order of computation."""
    producers = {step.output: step for step in program.steps}
    return [
        _site(program, producers, step) for step in program.steps if step.operation == "requantize"
    ]


def _site(program, producers, step):
    path, position = [], step.inputs[0]
    while position in producers and program.tensors[position].format is None:
        path.append(producers[position])
        if path[-1].operation not in BESIDE:
            break
        position = path[-1].inputs[0]
    kind = KINDS.get(path[-1].operation, "rescale") if path else "rescale"
    rules = dict.fromkeys(getattr(get_target(name), kind) for name in COMPARED)
    sums, codes = (program.tensors[p] for p in (step.inputs[0], step.output))
    return Site(step, sums, codes, kind, tuple(rules), tuple(reversed(path)))
