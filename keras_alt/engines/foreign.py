"""Models on engines that follow other rules: the same file, rounded otherwise."""

from dataclasses import replace

from keras_alt.engines.fitting import follows, require_computable, require_fit
from keras_alt.engines.litert.rules import RULES
from keras_alt.integer import Reading

LITERT_FILES = ("litert", "litert-reference", "tflm")  # engines that run them
# Files that name no rounding, because every engine that runs them rounds in one way.
ONE_ROUNDING = {"onnxruntime": "half_even"}


def readable_by(reading: Reading, engine: str) -> Reading:
    """Return the reading of a model that an engine can write and run, by its own rules.

    A LiteRT file holds scales and no rounding rule, so each engine of LiteRT files runs the file of
    the model's target. A file for ONNX Runtime holds the same codes and grids, under any target.

    Args:
        reading: from `keras_alt.integer.read`.
        engine: name of the engine.

    Raises:
        ExportError: no file of the model's target says how the engine computes.
        NotIntegerError: the file cannot hold the float layers between quantizers.
    """
    if not follows(reading, engine):
        written = any(follows(reading, name) for name in RULES)
        if engine in ONE_ROUNDING:
            reading = _rounded_by(reading, ONE_ROUNDING[engine])
        elif not (engine in LITERT_FILES and written):
            require_fit(reading, engine)
    require_computable(reading, engine)
    return reading


def _rounded_by(reading, rounding):
    steps = [
        replace(step, attributes={**step.attributes, "rounding": rounding})
        if step.operation == "requantize"
        else step
        for step in reading.program.steps
    ]
    return replace(reading, program=replace(reading.program, steps=steps))
