"""Why exporters refuse integer layers of a model."""

import importlib.util

from keras_alt.engines.c import export as c
from keras_alt.engines.hls4ml import graph as hls4ml
from keras_alt.integer import Reading
from keras_alt.targets import get_target

REFUSALS = {"c": ("to_c", c.refusals), "hls4ml": ("to_hls4ml", hls4ml.refusals)}
PACKAGES = {"hls4ml": "onnx"}  # that a writer imports


def refusals(reading: Reading) -> dict[str, list[str]]:
    """Return `{exporter: reasons}` for the exporters that refuse integer layers.

    A model with float layers between quantizers is left out: its `FloatRow`s say who refuses it.
    """
    if reading.islands:
        return {}
    told = {}
    for engine, (exporter, why) in REFUSALS.items():
        package = PACKAGES.get(engine)
        is_there = package is None or importlib.util.find_spec(package) is not None
        if is_there and engine in get_target(reading.target).engines:
            told[exporter] = why(reading.program)
    return {exporter: reasons for exporter, reasons in told.items() if reasons}
