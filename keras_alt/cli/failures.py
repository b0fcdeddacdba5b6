"""How a command tells what is wrong: in one line on stderr."""

import os
import sys

LONGEST = 1000  # characters of an error
# Errors with a message for users; others are told by their names.
TOLD = (ImportError, NotImplementedError, OSError, TypeError, ValueError)


def show_warning(command: str, message, *where):
    """Show a warning in a line, without the place in the source."""
    sys.stderr.write(f"keras-alt {command}: warning: {' '.join(str(message).split())}\n")


def in_one_line(error: Exception) -> str:
    """Return an error as a line."""
    text = " ".join(str(error).split())
    if not isinstance(error, TOLD):
        text = f"{type(error).__name__}: {text}; `--debug` shows where it comes from"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... (`--debug` shows it all)"


def drop_output():
    """Let Python write what is left to nowhere when it ends, instead of telling of the pipe."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
