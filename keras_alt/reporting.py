"""Measurement of a quantized model: quantizers, float layers and totals."""

import math

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.batches import read_batches
from keras_alt.certificate.document import Unread
from keras_alt.costs import multiply_accumulates, weight_bytes
from keras_alt.float_rows import float_rows
from keras_alt.graph import Graph, functional
from keras_alt.integer import accumulators, read
from keras_alt.quantizer import quantizers
from keras_alt.refusals import refusals
from keras_alt.report_tables import QuantizerRow, Report


def report(model: keras.Model, data=None, samples: int = 256) -> Report:
    """Report the quantizers, the float layers and the totals of a quantized model.

    Each quantizer is listed with its format, its threshold and its measured error. Each float layer
    and operator is listed with the reason, and with the exporters that write it in float, leave it
    out or refuse it. This is known before training. Integer layers that hls4ml has no form of are
    told once the model is calibrated. The totals are the bytes of the weights, the
    multiply-accumulates of one sample and the widths of the accumulators.

    Args:
        model: quantized model.
        data: inputs as for `keras_alt.calibrate`. Without data, the clipped share and the SQNR are
            measured for constants such as kernels only.
        samples: number of samples of `data` to read.

    Returns:
        A `Report`. `print` shows it as a table; `to_json` and `to_html` write it, and
        `certificate` writes what is proven about its integers.

    Raises:
        ValueError: the model has no quantizers.

    Example:

    ```python
    report = keras_alt.report(quantized, x_test)
    print(report)
    report.to_html("report.html")
    ```
    """
    model = functional(model)
    found = quantizers(model)
    if not found:
        raise ValueError(
            "`report` expects a model with quantizers, from `keras_alt.quantize_model`. "
            f"Received: model '{model.name}' without any."
        )
    measured = _measured(model, found, data, samples)
    graph = Graph(model)
    return Report(
        [_quantizer_row(name, q, measured.get(q)) for name, q in found.items()],
        float_rows(graph),
        weight_bytes(graph),
        multiply_accumulates(graph),
        *_of_integers(model),
    )


def _of_integers(model):
    """Return the accumulators, the reason if there are none, the refusals and the integers."""
    try:
        reading = read(model)
        return accumulators(reading), None, refusals(reading), reading
    except ValueError as error:
        # The model is not calibrated, or a size is open.
        return [], str(error), {}, Unread(model.name, str(error))


class _Fit:
    """Sums of the error of a quantizer over the values that it saw."""

    def __init__(self):
        self.count = self.clipped = 0
        self.signal = self.noise = 0.0

    def add(self, quantizer, values):
        scale = 2.0**quantizer.exponent
        values = np.asarray(ops.convert_to_numpy(values), np.float64)
        codes = np.rint(values / scale)
        clipped = np.clip(codes, quantizer.format.qmin, quantizer.format.qmax)
        self.count += values.size
        self.clipped += int((codes != clipped).sum())
        self.signal += float(np.square(values).sum())
        self.noise += float(np.square(clipped * scale - values).sum())

    def sqnr_db(self):
        if not self.signal:
            return None
        return math.inf if not self.noise else 10.0 * math.log10(self.signal / self.noise)


def _measured(model, found, data, samples):
    fits = {}

    def observer(quantizer, values):
        fits.setdefault(quantizer, _Fit()).add(quantizer, values)

    if data is None:
        for layer in model.layers:
            for quantizer, values in layer.constants() if hasattr(layer, "constants") else ():
                if quantizer.calibrated:
                    observer(quantizer, values)
        return fits
    watched = [quantizer for quantizer in found.values() if quantizer.calibrated]
    for quantizer in watched:
        quantizer.observer = observer
    try:
        for arrays in read_batches(model, data, samples, batch_size=32):
            model(keras.tree.pack_sequence_as(model.input, arrays), training=False)
    finally:
        for quantizer in watched:
            quantizer.observer = None
    return fits


def _quantizer_row(name, quantizer, fit):
    return QuantizerRow(
        name,
        str(quantizer.format),
        _listed(quantizer.threshold),
        _listed(quantizer.exponent) if quantizer.calibrated else None,
        fit and fit.clipped / fit.count,
        fit and fit.sqnr_db(),
        bool(ops.convert_to_numpy(quantizer.frozen)),
    )


def _listed(value):
    """Return a number as it is, and an array of one for each channel as a list."""
    return value.ravel().tolist() if isinstance(value, np.ndarray) else value
