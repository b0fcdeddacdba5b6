"""Curves of the losses and metrics of a run."""

import math
import os

import keras

from keras_route.callbacks.epoch_rows import read_rows, with_row, write_rows
from keras_route.files import written_whole

VALIDATION = "val_"


class TrainingCurves(keras.callbacks.Callback):
    """Writes `training.csv` and `training.png` after every epoch, with a panel for each figure.

    Losses have a logarithmic axis. With precision, recall and F1 as metrics, the picture is like
    that of the published training. A run that starts at a later epoch continues the curves of the
    run before.

    Args:
        folder: for both files; created if it does not exist.

    Attributes:
        rows: `[{"epoch": epochs done, figure: value, ...}]`.

    Raises:
        ImportError: matplotlib is not installed.
    """

    def __init__(self, folder: str | os.PathLike):
        super().__init__()
        _figure(1)  # a missing matplotlib is an error here, not after an epoch
        self.folder = folder
        self.rows: list[dict] = []

    def on_train_begin(self, logs=None):
        os.makedirs(self.folder, exist_ok=True)
        self.rows = read_rows(self._path("csv"))

    def on_epoch_end(self, epoch, logs=None):
        self.rows = with_row(self.rows, epoch + 1, logs or {})
        write_rows(self._path("csv"), self.rows)
        with written_whole(self._path("png")) as path:
            draw(self.rows).savefig(path, dpi=110)

    def _path(self, suffix):
        return os.path.join(self.folder, f"training.{suffix}")


def draw(rows: list[dict]):
    """Return a matplotlib figure of training and validation curves, one panel for each figure."""
    names = list(dict.fromkeys(name.removeprefix(VALIDATION) for row in rows for name in row))
    names.remove("epoch")
    figure, panels = _figure(len(names))
    for name, panel in zip(names, panels, strict=False):
        for key, label in ((name, "train"), (VALIDATION + name, "validation")):
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            if points:
                panel.plot(*zip(*points, strict=True), "-o", ms=3, label=label)
        panel.set_title(name, fontsize=9)
        panel.set_xlabel("epoch", fontsize=8)
        panel.grid(color="0.88", lw=0.7)
        panel.legend(fontsize=7)
        if "loss" in name:
            panel.set_yscale("log")
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    return figure


def _figure(count):
    """Return a figure with at least `count` panels, two in a row."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Curves are drawn by matplotlib: pip install matplotlib.") from error
    lines = math.ceil(count / 2)
    figure = Figure(figsize=(9, 3 * lines), layout="tight")
    return figure, figure.subplots(lines, 2, squeeze=False).ravel()
