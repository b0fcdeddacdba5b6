"""Where an integer program rounds, and by which rules engines round there."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_alt.integer import OPERATIONS, Constant, Program, Step, Tensor
from keras_alt.targets import get_target

# The targets whose engines take one and the same network: XNNPACK, TFLM and ONNX Runtime.
COMPARED = ("litert", "tflm", "onnx")
# What targets call the rounding of the result of an operation, see `Target`; else "rescale".
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
    """A step that rounds sums to codes, or the channels of it whose sums have one step.

    Attributes:
        step: the `requantize` step.
        sums, codes: the tensors in front of it and behind it.
        kind: name of the attribute of `Target` that has its rule.
        rules: the different rules of `COMPARED`, by name.
        path: the steps that give the sums, from a stored tensor on.
        channels: indices of the channels, all of them by default.
        coarser: by how many bits the step of these channels is coarser than that of the tensor.
    """

    step: Step
    sums: Tensor
    codes: Tensor
    kind: str
    rules: tuple[str, ...]
    path: tuple[Step, ...]
    channels: Any = field(default_factory=lambda: slice(None))
    coarser: int = 0

    @property
    def shift(self) -> int:
        """By how many bits sums are shifted to the right, the division of averages aside."""
        return self.step.attributes["shift"] - self.coarser

    @property
    def rounds(self) -> bool:
        """Whether anything is rounded: sums that are shifted to the left are exact."""
        return self.shift > 0 or bool(np.any(self.step.attributes["divisor"] != 1))

    def own(self, sums: np.ndarray) -> np.ndarray:
        """Return the sums of the channels, in their own steps, from those of the tensor."""
        return sums[..., self.channels] >> self.coarser

    def differ(self, sums: np.ndarray) -> np.ndarray:
        """Return whether the rules give different codes, for each of `own` sums."""
        none = np.zeros(sums.shape, bool)
        if not self.rounds:
            return none
        compute = OPERATIONS["requantize"].compute
        rules = {**self.step.arguments, "shift": self.shift}
        first, *others = (compute(sums, **{**rules, "rounding": rule}) for rule in self.rules)
        return sum((first != other for other in others), none)

    def tied(self, sums: np.ndarray) -> np.ndarray:
        """Return whether each of `own` sums lies halfway between two codes."""
        unit = self.step.attributes["divisor"] << max(self.shift, 0)
        return self.rounds & (2 * ((sums << max(-self.shift, 0)) % unit) == unit)


def sites(program: Program) -> list[Site]:
    """Return the steps of a program that round, in the order of computation."""
    producers = {step.output: step for step in program.steps}
    steps = (step for step in program.steps if step.operation == "requantize")
    return [site for step in steps for site in _sites(program, producers, step)]


def _sites(program, producers, step):
    path, position = [], step.inputs[0]
    while position in producers and program.tensors[position].format is None:
        path.insert(0, producers[position])
        if path[0].operation not in BESIDE:
            break
        position = path[0].inputs[0]
    kind = KINDS.get(path[0].operation, "rescale") if path else "rescale"
    rules = tuple(dict.fromkeys(getattr(get_target(name), kind) for name in COMPARED))
    sums, codes = (program.tensors[p] for p in (step.inputs[0], step.output))
    site = Site(step, sums, codes, kind, rules, tuple(path))
    kernel = path[0].attributes.get("kernel") if path else None
    if kernel is None or kernel.shifts is None:
        return [site]
    coarser = shifts_of_channels(kernel, sums.shape[-1])
    groups = ((np.flatnonzero(coarser == bits), int(bits)) for bits in np.unique(coarser))
    return [Site(step, sums, codes, kind, rules, tuple(path), *group) for group in groups]


def shifts_of_channels(kernel: Constant, channels: int) -> np.ndarray:
    """Return by how many bits the step of each channel's sums is coarser than the finest."""
    if kernel.shifts is None:
        return np.zeros(channels, np.int64)
    return np.tile(kernel.shifts.ravel(), channels // kernel.shifts.size)
