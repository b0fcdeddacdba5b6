"""Metrics of predicted layouts: of their pixels, and of whole nets.

`y_true` of every metric is labels (batch, height, width, 8). `y_pred` is scores (batch, height,
width, 16), or decided labels (batch, height, width, 8).
"""

import keras
from keras import ops

from keras_route.layout.connectivity import connected
from keras_route.models.comparator import SCORES, decide
from keras_route.technology.layers import LAYERS


class Counts(keras.metrics.Metric):
    """A metric that is the ratio of two exact counts over all batches."""

    def _count(self, **counts):
        for name, value in counts.items():
            variable = getattr(self, name)
            variable.assign(variable + ops.cast(value, variable.dtype))

    def _counter(self, name):
        return self.add_variable((), "zeros", dtype="int", name=name)

    def _ratio(self, part, whole):
        return ops.divide_no_nan(ops.cast(part, self.dtype), ops.cast(whole, self.dtype))


class PixelMetric(Counts):
    """A metric of pixels, counted over all nets and layers at once ("micro" average).

    Args:
        layer: the only layer to count, one of "pin", "m3", "via3", "m4", "via4", "m5", "via5",
            "m6"; None counts all layers.
        pins: whether the pin layer counts. The published figures count it, but a network only
            copies it.
        name: of the metric; by default it names the layer.
        dtype: of the result.

    Raises:
        ValueError: the layer does not exist, or `pins` leaves it out.
    """

    figure: str

    def __init__(
        self, layer: str | None = None, pins: bool = True, name: str | None = None, dtype=None
    ):
        if layer not in (None, *LAYERS[not pins :]):
            raise ValueError(
                f"`layer` must be None or one of {', '.join(LAYERS[not pins :])}"
                f"{'' if pins else ', as pins=False leaves the pin layer out'}. "
                f"Received: layer={layer!r}, pins={pins}"
            )
        suffix = f"_{layer}" if layer else "" if pins else "_without_pins"
        super().__init__(name=name or f"{self.figure}{suffix}", dtype=dtype)
        self.layer = layer
        self.pins = pins
        self.hits = self._counter("hits")
        self.predicted = self._counter("predicted")
        self.actual = self._counter("actual")

    def update_state(self, y_true, y_pred, sample_weight=None):
        _refuse_weights(self, sample_weight)
        actual, predicted = (self._select(y) for y in _labels(y_true, y_pred))
        self._count(
            hits=ops.count_nonzero(actual & predicted),
            predicted=ops.count_nonzero(predicted),
            actual=ops.count_nonzero(actual),
        )

    def _select(self, labels):
        if self.layer is not None:
            return labels[..., LAYERS.index(self.layer)]
        return labels if self.pins else labels[..., 1:]

    def get_config(self):
        return {"layer": self.layer, "pins": self.pins, "name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="keras_route")
class PixelPrecision(PixelMetric):
    """Share of the predicted pixels that are right; 0 without predicted pixels.

    Args: see `PixelMetric`.
    """

    figure = "pixel_precision"

    def result(self):
        return self._ratio(self.hits, self.predicted)


@keras.saving.register_keras_serializable(package="keras_route")
class PixelRecall(PixelMetric):
    """Share of the actual pixels that are predicted; 0 without actual pixels.

    Args: see `PixelMetric`.
    """

    figure = "pixel_recall"

    def result(self):
        return self._ratio(self.hits, self.actual)


@keras.saving.register_keras_serializable(package="keras_route")
class PixelF1(PixelMetric):
    """Harmonic mean of precision and recall of pixels; 0 if no pixel is right.

    Args: see `PixelMetric`.
    """

    figure = "pixel_f1"

    def result(self):
        return self._ratio(2 * self.hits, self.predicted + self.actual)


class NetMetric(Counts):
    """Share of the nets that pass a test.

    Args:
        name: of the metric.
        dtype: of the result.
    """

    figure: str

    def __init__(self, name: str | None = None, dtype=None):
        super().__init__(name=name or self.figure, dtype=dtype)
        self.passed = self._counter("passed")
        self.nets = self._counter("nets")

    def update_state(self, y_true, y_pred, sample_weight=None):
        _refuse_weights(self, sample_weight)
        passed = self._passed(*_labels(y_true, y_pred))
        self._count(passed=ops.count_nonzero(passed), nets=ops.shape(passed)[0])

    def result(self):
        return self._ratio(self.passed, self.nets)


@keras.saving.register_keras_serializable(package="keras_route")
class ConnectedRate(NetMetric):
    """Share of the nets whose predicted metal is one piece that holds all actual pins.

    The rules are those of `keras_route.layout.connectivity.connected`. The predicted pin layer does
    not count.

    Args: see `NetMetric`.
    """

    figure = "connected_rate"

    def _passed(self, actual, predicted):
        return connected(ops.concatenate([actual[..., :1], predicted[..., 1:]], axis=-1))


@keras.saving.register_keras_serializable(package="keras_route")
class ExactMatch(NetMetric):
    """Share of the nets in which every pixel of every layer is right, pins included.

    Args: see `NetMetric`.
    """

    figure = "exact_match"

    def _passed(self, actual, predicted):
        return ops.all(actual == predicted, axis=(1, 2, 3))


def _labels(y_true, y_pred):
    """Return actual and predicted labels as booleans."""
    actual, predicted = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if actual.shape[-1] != len(LAYERS) or predicted.shape[-1] not in (SCORES, len(LAYERS)):
        raise ValueError(
            f"Metrics compare labels (batch, height, width, {len(LAYERS)}) with scores (batch, "
            f"height, width, {SCORES}) or with decided labels of the same shape. Received: "
            f"y_true of shape {tuple(actual.shape)}, y_pred of shape {tuple(predicted.shape)}"
        )
    if predicted.shape[-1] == SCORES:
        predicted = decide(predicted)
    return ops.cast(actual, "bool"), ops.cast(predicted, "bool")


def _refuse_weights(metric, sample_weight):
    if sample_weight is not None:
        raise ValueError(
            "Pixels and nets are counted whole, without weights: name the metric in `metrics` of "
            f"`compile`, not in `weighted_metrics`. Received: sample_weight for '{metric.name}'"
        )
