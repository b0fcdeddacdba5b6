"""Compiles C for a Cortex-M and runs it on QEMU; needs three packages of Debian and NumPy."""

import json
import os
import re
import shutil
import subprocess
import tempfile

import numpy as np

COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
LIBRARY = "nano.specs"  # of libnewlib-arm-none-eabi
# An instruction lasts 2**5 ns of the board's time, about a tick of its clock.
SHIFT = 5


def require():
    """Raise an error that says what to install if a tool is missing."""
    missing = [name for name in (COMPILER, EMULATOR) if not shutil.which(name)]
    if COMPILER not in missing:
        found = _said([COMPILER, f"-print-file-name={LIBRARY}"])
        missing += [] if os.path.isabs(found) else [LIBRARY]
    if missing:
        raise ImportError(
            "This needs a compiler for Cortex-M, its C library and an emulator, three packages of "
            f"Debian and Ubuntu: `apt-get install {PACKAGES}`. Received: no {', '.join(missing)}."
        )


def version():
    return f"{_said([COMPILER, '--version'])}, {_said([EMULATOR, '--version'])}"


def _said(command):
    done = _ran(command, stdout=subprocess.PIPE)
    done.check_returncode()
    return done.stdout.splitlines()[0]


def _ran(command, **options):
    # Compilers look for assembler and linker on the path.
    path = {"PATH": os.defpath, **os.environ}
    return subprocess.run(command, env=path, text=True, check=False, **options)


def compute(folder, about, inputs):
    """Return the codes of each output; `inputs` has the input codes by name."""
    require()
    with tempfile.TemporaryDirectory() as scratch:
        path = shutil.copytree(os.path.join(folder, "model", "c"), os.path.join(scratch, "c"))
        program = build(path, ["harness.c"])
        rows = run(program, [inputs[name] for name in about["inputs"]])
    return [tensor(rows, entry) for entry in about["outputs"]]


def build(folder, sources):
    """Compile C files of a folder that has the files of a board; return the program's path."""
    board, program = board_of(folder), os.path.join(folder, "program.elf")
    command = [COMPILER, *board["flags"], "-std=c99", "--specs=nano.specs", "--specs=rdimon.specs"]
    command += ["-nostartfiles", "-ffunction-sections", "-Wl,--gc-sections", "-T", "board.ld"]
    command += ["board.c", *sources, "-o", program]
    done = _ran(command, cwd=folder, stderr=subprocess.PIPE)
    over = re.findall(r"region `(\w+)' overflowed by (\d+) bytes", done.stderr)
    if over:
        much = ", ".join(f"{n} bytes too many in {name}" for name, n in dict(over).items())
        raise ValueError(
            f"The program must fit the memories of {board['machine']}: {board['flash']} bytes of "
            f"FLASH for code and constants, {board['ram']} bytes of RAM for memory, inputs and "
            f"outputs. A smaller network fits, or one with narrower weights. Received: {much}"
        )
    if done.returncode:
        raise RuntimeError(f"The C must compile. {' '.join(command)} said:\n{done.stderr}")
    return program


def board_of(folder):
    """Return what a folder says of its board."""
    with open(os.path.join(folder, "board.json"), encoding="utf-8") as file:
        return json.load(file)


def run(program, arrays):
    """Return the bytes that the program writes of each sample."""
    machine, count = board_of(os.path.dirname(program))["machine"], len(arrays[0])
    flat = [np.ascontiguousarray(a).reshape(count, -1).view(np.uint8) for a in arrays]
    command = [EMULATOR, "-machine", machine, "-kernel", os.path.abspath(program)]
    command += ["-icount", f"shift={SHIFT}", "-semihosting-config", "enable=on,target=native"]
    command += ["-display", "none", "-monitor", "none", "-serial", "none"]
    with tempfile.TemporaryDirectory() as scratch:
        np.concatenate(flat, axis=1).tofile(os.path.join(scratch, "inputs.bin"))
        pipes = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        done = _ran(command, cwd=scratch, **pipes)
        if done.returncode:
            raise RuntimeError(
                "The program must run on the emulated board; 70 says that it faulted, for "
                f"instance because its stack overflowed. Received: exit status {done.returncode} "
                f"of {' '.join(command)}\n{done.stderr}"
            )
        written = np.fromfile(os.path.join(scratch, "outputs.bin"), np.uint8)
    return written.reshape(count, -1)


def tensor(rows, entry):
    """Return the codes of one tensor."""
    dtype, shape = np.dtype(entry["type"]), entry["shape"]
    end = entry["start"] + int(np.prod(shape)) * dtype.itemsize
    part = np.ascontiguousarray(rows[:, entry["start"] : end])
    return part.view(dtype).reshape(len(rows), *shape)
