"""Steps of a program that one C function computes, because nothing else reads what lies between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from keras_alt.integer import Program, Step


@dataclass
class Group:
    """Steps that are computed together, code by code.

    Attributes:
        steps: each but the first reads the output of the one in front of it.
    """

    steps: list[Step]

    @property
    def output(self) -> int:
        """Position of the only result that is stored."""
        return self.steps[-1].output

    @property
    def inputs(self) -> list[int]:
        """Positions of what is read, each once, in order."""
        inner = {step.output for step in self.steps}
        read = [p for step in self.steps for p in step.inputs if p not in inner]
        return list(dict.fromkeys(read))


def fused(
    program: Program, kept: Container[int], elements: Container[str], ends: Container[str]
) -> list[Group]:
    """Return the steps of a program in groups, in an order of computation.

    Args:
        program: see `Program`.
        kept: positions that must be stored.
        elements: operations whose codes each follow from the codes at the same place.
        ends: operations that nothing joins behind.
    """
    reads = Counter(p for step in program.steps for p in step.inputs)
    open_groups: dict[int, Group] = {}
    groups: dict[int, Group] = {}  # by their identity, in the order of computation
    for step in program.steps:
        shape = program.tensors[step.output].shape
        joined = (
            open_groups.get(p)
            for p in step.inputs
            if reads[p] == 1 and p not in kept and program.tensors[p].shape == shape
        )
        group = next(filter(None, joined), None) if step.operation in elements else None
        if group is None:
            group = Group([step])
        else:  # what else the step reads is computed by now
            del groups[id(group)]
            open_groups.pop(group.output)
            group.steps.append(step)
        groups[id(group)] = group
        if step.operation not in ends:
            open_groups[step.output] = group
    return list(groups.values())
