"""Where the tensors lie in one array, so that those that live at the same time do not overlap."""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

ALIGNMENT = 8  # bytes, for the widest type


@dataclass(frozen=True)
class Block:
    """A piece of memory.

    Attributes:
        key: what it holds.
        bytes: size.
        first, last: numbers of the first and the last function that need it.
    """

    key: Hashable
    bytes: int
    first: int
    last: int


def planned(blocks: list[Block]) -> tuple[dict[Hashable, int], int]:
    """Return the offset of each block by its key, and the size of the array, in bytes.

    The largest come first, and each gets the lowest place that is free as long as it lives.
    """
    offsets: dict[Hashable, int] = {}
    size = 0
    living: dict[int, list] = defaultdict(list)  # the blocks that each function needs
    for number, block in enumerate(sorted(blocks, key=lambda b: (-b.bytes, b.first))):
        offset, steps = 0, range(block.first, block.last + 1)
        # Only those that live at the same time: the plan of a deep network takes as long as it is.
        together = {other[:2]: other for step in steps for other in living[step]}
        for start, _, other in map(together.__getitem__, sorted(together)):
            if offset < start + other.bytes and start < offset + block.bytes:
                offset = _aligned(start + other.bytes)
        offsets[block.key] = offset
        size = max(size, _aligned(offset + block.bytes))
        for step in steps:
            living[step].append((offset, number, block))
    return offsets, size


def _aligned(count):
    return -(-count // ALIGNMENT) * ALIGNMENT
