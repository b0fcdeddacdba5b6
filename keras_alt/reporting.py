"""Measurement of a quantized model: quantizers, float layers and totals."""

import platform
import sys
from dataclasses import asdict

import keras
import numpy as np
from keras import ops

from keras_alt.certificate.document import Unread
from keras_alt.costs import multiply_accumulates, weight_bytes
from keras_alt.drift import drift
from keras_alt.fits import fits_of
from keras_alt.float_rows import float_rows
from keras_alt.graph import Graph, functional
from keras_alt.integer import accumulators, read
from keras_alt.layer_rows import layer_rows
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantizer import quantizers
from keras_alt.record import record_of
from keras_alt.refusals import refusals
from keras_alt.report_tables import About, QuantizerRow, Report
from keras_alt.targets import ON_PRODUCT_GRID, get_target
from keras_alt.version import __version__
from keras_alt.wiring import wiring


def report(model: keras.Model, data=None, samples: int = 256) -> Report:
    """Report the quantizers, the float layers and the totals of a quantized model.

    Each quantizer is listed with its format, its threshold and its measured error. Each float layer
    and operator is listed with the reason, and with the exporters that write it in float, leave it
    out or refuse it. This is known before training. Integer layers that hls4ml has no form of are
    told once the model is calibrated. The totals are the bytes of the weights, the
    multiply-accumulates of one sample and the widths of the accumulators.

    Args:
        model: quantized model.
        data: inputs as for `keras_alt.calibrate`. Without data, errors and histograms are measured
            for constants such as kernels only.
        samples: number of samples of `data` to read.

    Returns:
        A `Report`. `print` shows it as a table; `to_json`, `to_html` and `to_markdown` write it,
        and `certificate` writes what is proven about its integers.

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
    fits, measured = fits_of(model, found, data, samples)
    graph = Graph(model)
    drifts = {} if data is None else drift(graph, data, samples)
    sums, no_integers, refused, reading = _of_integers(model)
    return Report(
        [_quantizer_row(name, q, fits.get(q), drifts.get(q)) for name, q in found.items()],
        float_rows(graph),
        weight_bytes(graph),
        multiply_accumulates(graph),
        sums,
        no_integers,
        refused,
        layer_rows(graph),
        _about(model, measured),
        wiring(graph),
        {name: fits[quantizer] for name, quantizer in found.items() if quantizer in fits},
        reading,
    )


def _of_integers(model):
    """Return the accumulators, the reason if there are none, the refusals and the integers."""
    try:
        reading = read(model)
        return accumulators(reading), None, refusals(reading), reading
    except ValueError as error:
        # The model is not calibrated, or a size is open.
        return [], str(error), {}, Unread(model.name, str(error))


def _quantizer_row(name, quantizer, fit, drift_db):
    return QuantizerRow(
        name,
        str(quantizer.format),
        _listed(quantizer.threshold),
        _listed(quantizer.exponent) if quantizer.calibrated else None,
        fit and fit.clipped_share(),
        fit and fit.sqnr_db(),
        bool(ops.convert_to_numpy(quantizer.frozen)),
        fit and fit.shift(),
        drift_db,
    )


def _listed(value):
    """Return a number as it is, and an array of one for each channel as a list."""
    return value.ravel().tolist() if isinstance(value, np.ndarray) else value


def _about(model, measured):
    record = record_of(model)
    targets = {layer.target for layer in model.layers if isinstance(layer, QuantizedKernel)}
    if record is not None:
        targets = {record.config.target}
    backend = keras.backend.backend()
    packages = (keras, np, sys.modules.get(backend))
    versions = {"keras_alt": __version__}
    versions |= {p.__name__: getattr(p, "__version__", "") for p in packages if p is not None}
    settings = {} if record is None else asdict(record.config)
    if record is not None and get_target(record.config.target).bias_rule == ON_PRODUCT_GRID:
        del settings["biases"], settings["accumulators"]  # the target has widths of its own
    return About(
        model.name,
        min(targets, default=None),
        settings,
        measured,
        {**versions, "python": platform.python_version()},
    )
