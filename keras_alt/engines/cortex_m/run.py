"""Runs the exported C on an emulated Cortex-M."""

import json
import os
import shlex
from importlib import resources

from keras_alt.engines.c.harness import NAME
from keras_alt.engines.c.run import CEngine
from keras_alt.engines.cortex_m import device
from keras_alt.engines.cortex_m.boards import Board, get_board

FILES = ("board.c", "board.h", "board.ld")


class CortexMEngine(CEngine):
    """A program of the C files on the board `$BOARD`; see `keras_alt.engines.engine.Engine`."""

    name = "cortex-m"
    device = resources.files("keras_alt.engines.cortex_m").joinpath("device.py")

    @classmethod
    def version(cls):
        board = get_board()
        return f"{board.core} of {board.machine}, {device.version()}"

    def build(self, folder):
        device.require()
        write_board(get_board(), folder)
        return device.build(folder, [NAME])

    def rows(self, arrays):
        return device.run(self.executable, arrays)


def write_board(board: Board, folder: str):
    """Add the files of a board to a folder of C. `$CFLAGS` are those of its programs (`-O2`)."""
    for name in FILES:
        text = resources.files("keras_alt.engines.cortex_m").joinpath("board", name).read_text()
        _write(folder, name, text)
    _write(folder, "memory.ld", board.memory)
    flags = [*board.flags, *shlex.split(os.environ.get("CFLAGS") or "-O2")]
    about = {"machine": board.machine, "flags": flags, "flash": board.flash[1], "ram": board.ram[1]}
    _write(folder, "board.json", json.dumps(about, indent=2) + "\n")


def _write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
