"""Checks that an engine can compute a model: its rules, sums and packages."""

import importlib.util

import keras

from keras_alt.integer import Reading, accumulators, read
from keras_alt.targets import get_target

WRITE_FLOATS = ("litert", "onnxruntime")  # engines whose files hold float layers anywhere
WRITE_ENDS = (*WRITE_FLOATS, "tflm")  # engines whose files hold them in front and behind


class ExportError(ValueError):
    """A model that a file format cannot hold."""


def fitting_program(model: keras.Model, *engines: str) -> Reading:
    """Read a model as an integer program; raise an error unless one of `engines` computes it."""
    reading = read(model)
    require_fit(reading, fitting_engine(reading, *engines))
    return reading


def fitting_engine(reading: Reading, *engines: str) -> str:
    """Return which engine follows the rules of a model's target; the first one if none does."""
    fitting = get_target(reading.target).engines
    return next((engine for engine in engines if engine in fitting), engines[0])


def _require_width(reading):
    width = get_target(reading.target).sum_bits
    for row in accumulators(reading):
        if width is not None and row.bits > width:
            raise ExportError(
                f"Engines of target '{reading.target}' add up products in {width} bits, so every "
                "sum must fit: give the layer fewer bits, or calibrate it again. "
                f"Received: layer '{row.layer}', which may need {row.bits} bits"
            )


def _require_shifts(reading):
    """Raise an error unless the sums fit that TFLM's kernels shift left."""
    for step in reading.program.steps:
        rules, x = step.attributes, reading.program.tensors[step.inputs[0]]
        if step.operation == "requantize" and rules["rounding"] == "double":
            left = max(2 - int(rules["divisor"]).bit_length() - rules["shift"], 0)
            if left and max(-x.low, x.high) << left > 2**31 - 1:
                raise ExportError(
                    f"Engines of target '{reading.target}' shift sums left in 32 bits: the grids "
                    f"of '{step.layer}' lie too far apart; calibrate on data of training. "
                    f"Received: sums up to {max(-x.low, x.high)}, shifted by {left}"
                )


def require_fit(reading: Reading, engine: str):
    """Raise an error unless `engine` computes the integers of a model.

    The engine must follow the rules of the model's target, and every sum must fit its width. Its
    file must hold the float layers between quantizers, if there are any.
    """
    if not follows(reading, engine):
        raise ExportError(
            f"Engine '{engine}' does not compute by the rules of target '{reading.target}', which "
            f"{', '.join(get_target(reading.target).engines)} do: "
            "`keras_alt.retarget(model, target)` changes them. "
            f"Received: engine={engine!r}"
        )
    require_computable(reading, engine)


def follows(reading: Reading, engine: str) -> bool:
    """Return whether an engine follows the rules of a model's target."""
    return engine in get_target(reading.target).engines


def require_computable(reading: Reading, engine: str):
    """Raise an error unless sums fit and the file of `engine` holds the float layers."""
    if engine not in WRITE_FLOATS:
        reading.require_integers(f"Engine '{engine}'")
    _require_width(reading)
    _require_shifts(reading)


def require(module: str, extra: str):
    """Raise an error that says what to install if `module` is missing."""
    if importlib.util.find_spec(module) is None:
        raise ImportError(
            f"This needs '{module}': install it with `pip install 'keras-alt[{extra}]'`."
        )
