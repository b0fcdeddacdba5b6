"""The best model of a run, kept in a file."""

import os
import re

import keras
import numpy as np

from keras_alt.callbacks import best_record
from keras_alt.files import target_of, written_whole

# Matches the names of Keras' losses, and of the metrics that are better the lower they are.
MINIMIZED = re.compile(
    r"loss|error|entropy|divergence|hinge|poisson|cosh|false_(positives|negatives)"
    r"|(^|_)(r?mse|mae|mape|msle|bce|kld)(_\d+)?$",
    re.IGNORECASE,
)


class BestCheckpoint(keras.callbacks.Callback):
    """Saves the model whenever a validation figure is better than all before.

    With `validation_data`, the model before training counts too, so the file never holds a worse
    one. The file is complete at every moment. It also holds the best figure: a run that continues
    an interrupted one, in another process too, never replaces a better model. A figure that is not
    a number is never the best.

    Example:

    ```python
    best = keras_alt.callbacks.BestCheckpoint(
        "best.keras", monitor="val_loss", validation_data=(x_val, y_val)
    )
    quantized.fit(x, y, validation_data=(x_val, y_val), callbacks=[best])
    best.restore()
    ```

    Args:
        path: ends in `.keras` or `.weights.h5`. If the file exists, a model must be better than
            the one in it; delete the file to start anew.
        monitor: name of a validation metric, such as `"val_accuracy"`.
        validation_data: `(x, y)` or a dataset, evaluated before training; or None.
        mode: `"max"`, `"min"` or `"auto"`, which minimizes losses and errors and maximizes
            everything else.
        batch_size: of the evaluation before training.

    Attributes:
        best: the best figure so far, None before the first.

    Raises:
        ValueError: `path` or `mode` is none of those above, or the file at `path` was not written
            by this callback with the same `monitor` and for the same network.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        monitor: str = "val_accuracy",
        validation_data=None,
        mode: str = "auto",
        batch_size: int | None = None,
    ):
        super().__init__()
        target_of(path)  # raises an error if it is no path
        path = os.fspath(path)
        if not path.endswith((".keras", ".weights.h5")):
            raise ValueError(f"`path` must end in .keras or .weights.h5. Received: path={path!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"`mode` must be 'auto', 'min' or 'max'. Received: mode={mode!r}")
        self.path = path
        self.monitor = monitor
        self.validation_data = validation_data
        self.mode = mode
        self.batch_size = batch_size
        record = best_record.read(path) if os.path.exists(path) else None
        if record is not None and record["monitor"] != monitor:
            raise ValueError(
                f"'{path}' keeps the best model by {record['monitor']!r}: monitor that, or choose "
                f"another path. Received: monitor={monitor!r}"
            )
        self.best = None if record is None else record["best"]
        self._network = None if record is None else record["network"]

    def on_train_begin(self, logs=None):
        if self._network not in (None, best_record.network(self.model)):
            raise ValueError(
                f"'{self.path}' keeps the best model of another network, with other layers or "
                "widths: choose another path, or delete the file. "
                f"Received: model '{self.model.name}'"
            )
        if self.validation_data is None or self.best is not None:
            return
        if self.model.optimizer is not None:
            # Keras builds it in the first step. A file without its variables could not be restored.
            self.model.optimizer.build(self.model.trainable_variables)
        data = self.validation_data
        x, y = data if isinstance(data, tuple) else (data, None)
        figures = self.model.evaluate(x, y, batch_size=self.batch_size, verbose=0, return_dict=True)
        self._consider({f"val_{name}": value for name, value in figures.items()})

    def on_epoch_end(self, epoch, logs=None):
        self._consider(logs or {})

    def restore(self):
        """Load the best weights into the model."""
        if self.best is None:
            raise ValueError(
                f"Nothing has been saved to '{self.path}' yet: run `fit` with `validation_data`, "
                "and see that its figures are numbers. Received: best=None"
            )
        self.model.load_weights(self.path)

    def _consider(self, figures):
        if self.monitor not in figures:
            raise ValueError(
                "`monitor` must name a validation figure; pass `validation_data` to `fit`. "
                f"Received: monitor={self.monitor!r}, figures={sorted(figures)}"
            )
        value = float(figures[self.monitor])
        if not np.isnan(value) and (self.best is None or self._is_better(value)):
            network = best_record.network(self.model)
            with written_whole(self.path) as temporary:
                if self.path.endswith(".keras"):
                    self.model.save(temporary)
                else:
                    self.model.save_weights(temporary)
                best_record.add(temporary, self.monitor, value, network)
            self.best, self._network = value, network

    def _is_better(self, value):
        falls = self.mode == "min" or (self.mode == "auto" and MINIMIZED.search(self.monitor))
        return value < self.best if falls else value > self.best
