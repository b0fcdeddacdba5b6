"""Why exporters refuse integer layers of a model."""

import importlib.util

from keras_alt.engines.hls4ml import graph as hls4ml
from keras_alt.integer import Reading
from keras_alt.targets import get_target

REFUSALS = {"hls4ml": ("to_hls4ml", hls4ml.refusals)}


def refusals(reading: Reading) -> dict[str, list[str]]:
    """Return `{exporter: reasons}` for the exporters that refuse integer layers.

    A model with float layers between quantizers is left out: its `FloatRow`s say who refuses it.
    """
    if reading.islands or importlib.util.find_spec("onnx") is None:
        return {}
    told = {}
    for engine in set(REFUSALS).intersection(get_target(reading.target).engines):
        exporter, why = REFUSALS[engine]
        told[exporter] = why(reading.program)
    return {exporter: reasons for exporter, reasons in told.items() if reasons}
