"""How progress is shown: a bar on a terminal, plain lines in a log file."""

import sys

import keras

SILENT, BAR, LINES = 0, 1, 2  # values of Keras' `verbose`


def verbosity() -> int:
    """Return Keras' `verbose` for this output: Keras would draw bars into files too."""
    draws = sys.stdout.isatty() or "ipykernel" in sys.modules
    return BAR if draws else LINES


def progress_bar(count: int, *, verbose: bool = True) -> keras.utils.Progbar:
    """Return a bar of `count` nets; a file gets one line when they are done."""
    return keras.utils.Progbar(count, verbose=verbosity() if verbose else SILENT, unit_name="net")
