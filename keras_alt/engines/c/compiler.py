"""The C compiler of the system."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

COMPILERS = ("cc", "gcc", "clang")


def compiler() -> str:
    """Return the compiler: `$CC`, or the first of `COMPILERS` on the path.

    Raises:
        ImportError: there is none.
    """
    names = [os.environ["CC"]] if os.environ.get("CC") else COMPILERS
    for name in names:
        if shutil.which(name):
            return name
    raise ImportError(
        "This needs a compiler of C99: install gcc or clang, or name yours in the variable CC. "
        f"Received: no {', '.join(names)} on the path."
    )


def compiled(source: str, program: str) -> str:
    """Compile one file with `$CFLAGS`, by default `-O2`; return the path of the program.

    Raises:
        RuntimeError: the compiler reports an error.
    """
    flags = shlex.split(os.environ.get("CFLAGS") or "-O2")
    command = [compiler(), "-std=c99", *flags, source, "-o", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The C file must compile. {shlex.join(command)} said:\n{done.stderr}")
    return program


def version() -> str:
    """Return the first line of what the compiler says of itself."""
    done = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]
