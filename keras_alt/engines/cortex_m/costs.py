"""What a model costs on an emulated Cortex-M: instructions, flash and memory."""

import os
import re
import subprocess
from dataclasses import dataclass

import keras
import numpy as np

from keras_alt.engines.c.export import write_c
from keras_alt.engines.c.source import Source
from keras_alt.engines.cortex_m import device
from keras_alt.engines.cortex_m.boards import get_board
from keras_alt.engines.cortex_m.run import write_board
from keras_alt.engines.fitting import fitting_program
from keras_alt.files import scratch_folder
from keras_alt.integer import quantize_inputs, trace

NAME = "counted.c"
HEAD = 16  # bytes that the program writes of a sample in front of its outputs


@dataclass(frozen=True)
class BoardCosts:
    """The costs of one inference.

    Attributes:
        version: board, compiler and emulator.
        flags: of the compiler.
        instructions: executed from the call of the model's function to its return, for each sample,
            read by SysTick while QEMU runs an instruction in each tick; to within 30. They are no
            cycles: on a chip, an instruction can last several, and memory can wait.
        code, constants: bytes of flash of the model's object file (`.text`, `.rodata`).
        memory: bytes of RAM of this file (`.data`, `.bss`), which is its arena.
        stack: bytes of stack that the call uses.
        program: `{"text": bytes, "data": bytes, "bss": bytes}` of the whole program on the board,
            with the C library, buffers of the files, and 32 KiB for the stack.
        mismatches, total: output codes that differ from those of the integer engine, of how many.
    """

    version: str
    flags: str
    instructions: list[int]
    code: int
    constants: int
    memory: int
    stack: int
    program: dict[str, int]
    mismatches: int
    total: int

    def __str__(self):
        least, most = min(self.instructions), max(self.instructions)
        middle = round(float(np.mean(self.instructions)))
        return (
            f"{self.version}, {self.flags}\n"
            f"{self.mismatches} of {self.total} output codes differ from those of the integer "
            f"engine, {len(self.instructions)} samples\n"
            f"instructions of an inference: {middle:,} ({least:,} to {most:,})\n"
            f"flash: {self.code + self.constants:,} bytes ({self.code:,} of code, "
            f"{self.constants:,} of constants)\n"
            f"RAM: {self.memory:,} bytes of static memory, {self.stack:,} of stack"
        )


def costs_on_board(model: keras.Model, x, board: str | None = None) -> BoardCosts:
    """Run the C of a model on an emulated board, and count what it costs.

    Args:
        model: calibrated model, quantized with any target.
        x: inputs as the model takes them.
        board: key of `keras_alt.engines.cortex_m.BOARDS`; by default `$BOARD`, or `mps3-an547`.

    Returns:
        A `BoardCosts`.

    Raises:
        ImportError: compiler or emulator is missing. The message says what to install.
        ValueError: the program does not fit the board, or the model has no integer form in C.
        RuntimeError: the program faults.
    """
    device.require()
    chosen = get_board(board)
    reading = fitting_program(model, "cortex-m")
    codes = quantize_inputs(reading, x)
    with scratch_folder() as scratch:
        folder = os.path.join(scratch, "c")
        source, _ = write_c(reading, folder, "net")
        write_board(chosen, folder)
        with open(os.path.join(folder, NAME), "w", encoding="utf-8") as file:
            file.write(counting_text(source))
        program = device.build(folder, ["net.c", NAME])
        pairs = zip(source.inputs, codes, strict=True)
        rows = device.run(program, [batch.astype(a.type.dtype) for a, batch in pairs])
        flags = device.board_of(folder)["flags"]
        sizes = _sections(folder, flags)
        whole = _sizes(program)
    ticks, stack = rows[:, :HEAD].copy().view("<u8").T
    nanoseconds = ticks * (10**9 / chosen.clock)
    differing, total = _compared(reading.program, source, rows, codes)
    return BoardCosts(
        f"{chosen.core} of {chosen.machine}, {device.version()}",
        " ".join(flags),
        np.rint(nanoseconds / 2**device.SHIFT).astype(int).tolist(),
        sizes["text"],
        sizes["rodata"],
        sizes["data"] + sizes["bss"],
        int(stack.max()),
        whole,
        differing,
        total,
    )


def counting_text(source: Source) -> str:
    """Return a program that writes ticks, stack and outputs of each sample that it reads."""
    arguments = [*source.inputs, *source.outputs]
    read = [f"fread({a.name}, sizeof {a.name}, 1, stdin) == 1" for a in source.inputs]
    arrays = [f"static {a.type.name} {a.name}[{a.size}];" for a in arguments]
    written = [f"        fwrite({a.name}, sizeof {a.name}, 1, stdout);" for a in source.outputs]
    return "\n".join(
        [
            '#include <stdio.h>\n\n#include "board.h"',
            f'#include "{source.name}.h"\n',
            *arrays,
            "\nint main(void)\n{",
            "    uint64_t spent[2];",
            f"    while ({' && '.join(read)}) {{",
            "        board_paint_stack();",
            "        spent[0] = board_ticks();",
            f"        {source.name}({', '.join(a.name for a in arguments)});",
            "        spent[0] = board_ticks() - spent[0];",
            "        spent[1] = board_stack_most() - board_stack();",
            "        fwrite(spent, sizeof spent, 1, stdout);",
            *written,
            "    }\n    return 0;\n}\n",
        ]
    )


def _sections(folder, flags):
    """Return the bytes of each kind of section that the compiler makes of the model."""
    command = [device.COMPILER, *flags, "-std=c99", "-c", "net.c", "-o", "net.o"]
    subprocess.run(command, cwd=folder, check=True)
    told = _told("-A", os.path.join(folder, "net.o"))
    sizes = re.findall(r"^\.(text|rodata|data|bss)\S*\s+(\d+)", told, re.MULTILINE)
    return {kind: sum(int(n) for k, n in sizes if k == kind) for kind in _KINDS}


def _sizes(program):
    names, numbers = (line.split() for line in _told(program).splitlines()[:2])
    return {name: int(n) for name, n in zip(names[:3], numbers[:3], strict=True)}


def _told(*arguments):
    command = ["arm-none-eabi-size", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


_KINDS = ("text", "rodata", "data", "bss")


def _compared(program, source, rows, codes):
    """Return how many output codes differ from those of the integer engine, and of how many."""
    values, start = trace(program, codes, keep=program.outputs), HEAD
    differing = total = 0
    for argument in source.outputs:
        shape = argument.tensor.shape
        entry = {"type": argument.type.dtype.str, "shape": shape, "start": start}
        found = device.tensor(rows, entry)
        differing += int(np.count_nonzero(found != values[argument.position]))
        total += found.size
        start += argument.size * argument.type.bytes
    return differing, total
