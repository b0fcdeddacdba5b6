"""How progress is shown: a bar on a terminal, plain lines in a log file."""

import sys

import keras

SILENT, BAR, LINES = 0, 1, 2  # values of Keras' `verbose`


def verbosity(verbose: bool) -> int:
    """Return Keras' `verbose` for this output.

    Keras draws bars into files too, because it takes every Linux for a terminal. Here files get a
    line when a step is done. Notebooks, which draw bars, get bars.
    """
    if not verbose:
        return SILENT
    draws = sys.stdout.isatty() or "ipykernel" in sys.modules
    return BAR if draws else LINES


def progress_bar(count: int | None, unit: str, verbose: bool) -> keras.utils.Progbar:
    """Return a bar of `count` steps; its `add` takes the number of those that are done.

    Args:
        count: None if it is not known.
        unit: what a step is called.
        verbose: whether to show it.
    """
    return keras.utils.Progbar(count, verbose=verbosity(verbose), unit_name=unit)
