"""The Cortex-M boards that programs are made for."""

import os
from dataclasses import dataclass

MIB = 2**20
VECTOR_BYTES = 0x400


@dataclass(frozen=True)
class Board:
    """A board that QEMU emulates.

    Attributes:
        machine: its name in QEMU.
        core: the processor.
        flags: of the compiler, for this processor.
        vectors: address of the interrupt vectors.
        flash, ram: first address and number of bytes.
        clock: ticks of the processor's clock in a second.
    """

    machine: str
    core: str
    flags: tuple[str, ...]
    vectors: int
    flash: tuple[int, int]
    ram: tuple[int, int]
    clock: int

    @property
    def memory(self) -> str:
        """The part of a linker script that says where the memories are."""
        rows = {"VECTORS": (self.vectors, VECTOR_BYTES), "FLASH": self.flash, "RAM": self.ram}
        lines = [f"    {name} : ORIGIN = {at:#x}, LENGTH = {n}" for name, (at, n) in rows.items()]
        return "\n".join(["MEMORY", "{", *lines, "}", ""])


def _mps2(machine, core):
    flags = (f"-mcpu={core.lower()}", "-mthumb", "-mfloat-abi=hard")
    flash = (VECTOR_BYTES, 4 * MIB - VECTOR_BYTES)
    return Board(machine, core, flags, 0, flash, (0x20000000, 4 * MIB), 25_000_000)


BOARDS = {
    board.machine: board
    for board in (
        # Addresses of the secure state, in which the processor starts.
        Board(
            "mps3-an547",
            "Cortex-M55",
            ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
            vectors=0x10000000,
            flash=(0x11000000, 2 * MIB),
            ram=(0x31000000, 4 * MIB),
            clock=32_000_000,
        ),
        _mps2("mps2-an500", "Cortex-M7"),
        _mps2("mps2-an386", "Cortex-M4"),
    )
}


def get_board(name: str | None = None) -> Board:
    """Return a board by its name in QEMU; without one, `$BOARD`, or the Cortex-M55."""
    name = name or os.environ.get("BOARD") or next(iter(BOARDS))
    if name not in BOARDS:
        known = ", ".join(f"{board.machine} ({board.core})" for board in BOARDS.values())
        raise ValueError(f"A board must be one of {known}. Received: board={name!r}")
    return BOARDS[name]
