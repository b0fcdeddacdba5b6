"""The course of the thresholds while they train."""

import csv
import math
import os
from bisect import bisect_left

import numpy as np
from keras import ops

from keras_alt.callbacks.event_file import EventFile
from keras_alt.callbacks.steps import StepCallback
from keras_alt.files import written_whole
from keras_alt.keras_internals import nested_layers, resumed_epoch
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantizer import quantizers

RECORDS = 200
MOST_RECORDS = 400  # even, so that the last record stays where every second one goes
LABELLED = 8  # trajectories that the plot names, those that move most
LABELLED_LINE = {"lw": 1.6, "zorder": 3}
OTHER_LINE = {"lw": 0.7, "color": "0.75"}


class ThresholdHistory(StepCallback):
    """Records the log2 threshold of every quantizer, about 200 times in a run.

    If the length of the run is unknown, every step is recorded at first. Whenever there are more
    than 400 records, every second one is dropped and the interval doubles.

    Example:

    ```python
    history = keras_alt.callbacks.ThresholdHistory(log_dir="logs")
    quantized.fit(x, y, epochs=3, callbacks=[history])
    last = {name: values[-1] for name, values in history.history.items()}
    ```

    With `log_dir`, TensorBoard shows at each record: every log2 threshold (the lowest and the
    highest, where channels have their own), the shares of thresholds and of weights that are
    frozen, and the share of thresholds whose scale has just gone back to where it came from, which
    falls to 0 when no scale oscillates.

    Args:
        log_dir: folder for the files of TensorBoard, and for `thresholds.csv`, which is written
            after every epoch, and which a run that `Backup` resumes continues; or None. It may be
            that of `keras.callbacks.TensorBoard`.

    Attributes:
        steps: optimizer steps of the records; 0 is before training.
        history: `{quantizer name: [log2 threshold of each record]}`.
        frozen: `{quantizer name: step of the first record at which it was frozen}`.

    Where each channel of a kernel has a threshold, the names are `<quantizer name>[<channel>]`.
    """

    def __init__(self, log_dir: str | os.PathLike | None = None):
        super().__init__()
        self.log_dir = log_dir
        self.steps = []
        self.history = {}
        self.frozen = {}
        self._events = None
        self._scales = {}  # those of the last record, and which way each moved last

    def on_train_begin(self, logs=None):
        if not quantizers(self.model):
            raise ValueError(
                "`ThresholdHistory` expects a model with quantizers. "
                f"Received: model '{self.model.name}' without any."
            )
        self._every = None
        if self.log_dir is not None:
            self._events = EventFile(self.log_dir)

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        is_resumed = epoch == resumed_epoch(self.model)
        if not self.steps and is_resumed and self.log_dir is not None:
            self._go_on()
        if not self.steps:
            self._record()
        if self._every is None:
            epochs = self.params["epochs"] - (0 if is_resumed else epoch)
            self._every = max(1, (self.params["steps"] or 0) * epochs // RECORDS)

    def on_steps_end(self, steps):
        if any(step % self._every == 0 for step in steps):
            self._record()

    def on_epoch_end(self, epoch, logs=None):
        if self.steps[-1] != self._step:
            self._record()
        if self.log_dir is not None:
            os.makedirs(self.log_dir, exist_ok=True)
            with written_whole(self._table) as path:
                self._write(path)

    def _record(self):
        self.steps.append(self._step)
        thresholds, stopped = {}, []
        for name, quantizer in quantizers(self.model).items():
            thresholds[name] = ops.convert_to_numpy(quantizer.log2_threshold)
            stopped.append(bool(ops.convert_to_numpy(quantizer.frozen)))
            for series, value in _series(name, thresholds[name]):
                self.history.setdefault(series, []).append(float(value))
                if stopped[-1]:
                    self.frozen.setdefault(series, self._step)
        if self._events is not None:
            shares = {
                "quantization/frozen thresholds": float(np.mean(stopped)),
                "quantization/frozen weights": _frozen_weights(self.model),
                "quantization/oscillating scales": self._oscillating(thresholds),
            }
            self._events.add(self._step, {**shares, **dict(_scalars(thresholds))})
        if len(self.steps) > MOST_RECORDS:
            self._every *= 2
            for series in (self.steps, *self.history.values()):
                del series[1::2]

    @property
    def _table(self):
        return os.path.join(self.log_dir, "thresholds.csv")

    def _go_on(self):
        """Take the records that the run left in its table before it was interrupted."""
        if not os.path.exists(self._table):
            return
        with open(self._table, newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["step"]) <= self._step]
        names = [name for q in quantizers(self.model).items() for name in _names(*q)]
        if rows and set(rows[0]) == {"step", *names}:
            self.steps = [int(row["step"]) for row in rows]
            self.history = {name: [float(row[name]) for row in rows] for name in names}

    def _oscillating(self, thresholds):
        """Return the share of thresholds whose scale moved against its last move."""
        turned = total = 0
        for name, values in thresholds.items():
            scale = np.ceil(values)
            before, last = self._scales.get(name, (scale, np.zeros_like(scale)))
            move = np.sign(scale - before)
            turned += int((move * last < 0).sum())
            total += scale.size
            self._scales[name] = scale, np.where(move == 0, last, move)
        return turned / total

    def _write(self, path):
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["step", *self.history])
            writer.writerows(zip(self.steps, *self.history.values(), strict=True))

    def plot(self, path: str | os.PathLike):
        """Draw the trajectories into a picture. Needs the `plots` extra.

        A grid line is where the scale doubles, and a dot is where the threshold was frozen. The
        eight thresholds that move most are named.
        """
        figure, axes = _figure()
        moved = {name: max(v) - min(v) for name, v in self.history.items()}
        labelled = sorted(moved, key=moved.get, reverse=True)[:LABELLED]
        for name, values in self.history.items():
            style = {**LABELLED_LINE, "label": name} if name in labelled else OTHER_LINE
            (line,) = axes.plot(self.steps, values, **style)
            if name in self.frozen:
                index = bisect_left(self.steps, self.frozen[name])  # that record may be dropped
                axes.plot(self.steps[index], values[index], "o", ms=3, color=line.get_color())
        low, high = axes.get_ylim()
        axes.set_yticks(np.arange(np.floor(low), np.ceil(high) + 1))
        axes.grid(axis="y", color="0.85", lw=0.8)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("log2 threshold (a grid line is where the scale doubles)")
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        with written_whole(path) as temporary:
            figure.savefig(temporary, dpi=130, bbox_inches="tight")


def _names(name, quantizer):
    """Return the names of the thresholds of a quantizer."""
    return [name for name, _ in _series(name, ops.convert_to_numpy(quantizer.log2_threshold))]


def _series(name, log2_thresholds):
    """Yield the name of each threshold of a quantizer, and its value."""
    if not log2_thresholds.shape:
        yield name, log2_thresholds
        return
    for channel, value in enumerate(log2_thresholds.ravel()):
        yield f"{name}[{channel}]", value


def _scalars(thresholds):
    """Yield a tag of TensorBoard and its value for each quantizer, two where channels differ."""
    for name, values in thresholds.items():
        if not values.shape:
            yield f"log2_threshold/{name}", float(values)
        else:
            yield f"log2_threshold/{name}/lowest", float(values.min())
            yield f"log2_threshold/{name}/highest", float(values.max())


def _frozen_weights(model):
    """Return the share of the weights of quantized kernels that are frozen."""
    frozen = total = 0
    for layer in nested_layers(model):
        if isinstance(layer, QuantizedKernel):
            for role, kernel in layer.kernels().items():
                total += math.prod(kernel.shape)
                frozen += int(layer.frozen_weights.mask(role, kernel).sum())
    return frozen / total if total else 0.0


def _figure():
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Pictures need `pip install "keras-alt[plots]"`.') from error
    figure = Figure(figsize=(9, 5))
    return figure, figure.subplots()
