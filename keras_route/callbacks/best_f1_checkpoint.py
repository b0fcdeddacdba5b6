"""A checkpoint of the best router of a run, also of a run that continues another."""

import json
import os
import zipfile

import keras

from keras_route.files import written_whole


class BestF1Checkpoint(keras.callbacks.Callback):
    """Saves the model and its optimizer whenever F1 on the validation data is the best so far.

    The file is complete at every moment. It also holds the best figure, as the comment of the
    archive. So a run can continue an interrupted run, and never replaces a better model:

    ```python
    best = BestF1Checkpoint("best.keras")
    model = keras.models.load_model("best.keras") if best.epochs else new_model()
    model.fit(..., initial_epoch=best.epochs, callbacks=[best])
    ```

    Args:
        path: ends in `.keras`. If the file exists, a model must be better than the one in it;
            delete the file to start anew.
        monitor: name of a figure that `fit` shows; more is better.

    Attributes:
        best: the best figure so far, None before the first.
        epochs: number of epochs done when the best model was saved.

    Raises:
        ValueError: `path` does not end in `.keras`, or is a file that this callback did not write
            with the same `monitor`.
    """

    def __init__(self, path: str | os.PathLike, monitor: str = "val_pixel_f1"):
        super().__init__()
        self.path = os.fspath(path)
        self.monitor = monitor
        if not self.path.endswith(".keras"):
            raise ValueError(f"`path` must end in .keras. Received: path={self.path!r}")
        record = _record(self.path) if os.path.exists(self.path) else _new(monitor)
        if record["monitor"] != monitor:
            raise ValueError(
                f"'{self.path}' keeps the best model by {record['monitor']!r}: monitor that, or "
                f"choose another path. Received: monitor={monitor!r}"
            )
        self.best = record["best"]
        self.epochs = record["epochs"]

    def on_epoch_end(self, epoch, logs=None):
        figures = logs or {}
        if self.monitor not in figures:
            raise ValueError(
                "`monitor` must name a figure of every epoch: is the metric in `compile`, and does "
                "`fit` have `validation_data`, for every epoch? "
                f"Received: monitor={self.monitor!r}, figures={sorted(figures)}"
            )
        value = float(figures[self.monitor])
        if self.best is None or value > self.best:
            self._save({"monitor": self.monitor, "best": value, "epochs": epoch + 1})

    def restore(self):
        """Give the model the best weights.

        Raises:
            ValueError: nothing has been saved yet.
        """
        if self.best is None:
            raise ValueError(
                f"Nothing has been saved to '{self.path}' yet: run `fit` first. Received: best=None"
            )
        self.model.load_weights(self.path)

    def _save(self, record):
        with written_whole(self.path) as temporary:
            self.model.save(temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.comment = json.dumps(record).encode()
        self.best, self.epochs = record["best"], record["epochs"]


def _new(monitor):
    return {"monitor": monitor, "best": None, "epochs": 0}


def _record(path):
    try:
        with zipfile.ZipFile(path) as archive:
            record = json.loads(archive.comment)
        return {key: record[key] for key in _new(None)}
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            "A file that exists must have been written by `BestF1Checkpoint`: choose another path, "
            f"or move the file away. Received: path={path!r}"
        ) from error
