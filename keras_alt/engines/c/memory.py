"""Where the tensors lie in one array, so that those that live at the same time do not overlap."""

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
    placed: list[tuple[int, Block]] = []
    for block in sorted(blocks, key=lambda b: (-b.bytes, b.first)):
        offset = 0
        for start, other in sorted(placed, key=lambda pair: pair[0]):
            together = block.first <= other.last and other.first <= block.last
            if together and offset < start + other.bytes and start < offset + block.bytes:
                offset = _aligned(start + other.bytes)
        offsets[block.key] = offset
        placed.append((offset, block))
    return offsets, max((_aligned(o + b.bytes) for o, b in placed), default=0)


def _aligned(count):
    return -(-count // ALIGNMENT) * ALIGNMENT
