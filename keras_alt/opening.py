"""Models and files as the sides of a comparison."""

import os
from collections.abc import Sequence
from importlib import metadata
from typing import TypeAlias

import keras
import numpy as np
from keras import ops

from keras_alt.choices import is_choice
from keras_alt.engines.litert.opened import OpenedOnLiteRT
from keras_alt.engines.onnxruntime.opened import OpenedOnONNXRuntime
from keras_alt.engines.opened import POSITION, Codes, Computed, Opened
from keras_alt.engines.qonnx.opened import OpenedOnQONNX, is_qonnx
from keras_alt.engines.restart import codes_at
from keras_alt.engines.tflm.opened import OpenedOnTFLM
from keras_alt.graph import deep_recursion
from keras_alt.integer import input_arrays
from keras_alt.proving import read_for
from keras_alt.targets import get_target

# What opens a file, by its suffix and the name of the engine.
OPENERS = {
    ".tflite": {
        "litert": OpenedOnLiteRT,
        "litert-reference": OpenedOnLiteRT,
        "tflm": OpenedOnTFLM,
    },
    ".onnx": {"onnxruntime": OpenedOnONNXRuntime, "qonnx": OpenedOnQONNX},
}
MODELS = (".keras", ".h5")
WHICH = ("first", "second")  # what the user calls the sides
Side: TypeAlias = keras.Model | str | os.PathLike


class KerasSide:
    """A quantized model, computed by Keras; see `keras_alt.engines.opened.Opened`.

    Args:
        model: quantized and calibrated.
        x: inputs, which tell the sizes that the model leaves open.
    """

    engine = "keras"

    def __init__(self, model: keras.Model, x):
        model, self.reading = read_for(model, x)
        reading, tensors = self.reading, self.reading.program.tensors
        self.rounding = reading.roundings[0] if reading.roundings else None
        self.input_names = reading.input_keys
        self.types = [tensor.dtype for tensor in reading.entry.inputs]
        self.taps = dict(sorted(reading.taps.items(), key=lambda pair: pair[1]))
        self.names = {p: f"{tensors[p].name}:{p}" for p in self.taps.values()}
        self.ends = list(dict.fromkeys(self.names[p] for p in reading.program.outputs))
        with deep_recursion():
            self.model = keras.Model(model.inputs, [*self.taps, *model.outputs])

    def version(self):
        return f"keras {metadata.version('keras')} on {keras.backend.backend()}"

    def compute(self, arrays, rounding):
        arrays = input_arrays(self.reading, arrays)
        values = keras.tree.flatten(self.model(arrays, training=False))
        outputs = [ops.convert_to_numpy(value) for value in values[len(self.taps) :]]
        codes = codes_at(self.reading, self.taps.values(), values[: len(self.taps)])
        tensors = {
            self.names[p]: Codes(c, 2.0 ** self.reading.program.tensors[p].exponent)
            for p, c in codes.items()
        }
        return Computed(outputs, tensors)


def opened(sides: Sequence[Side], x, engines: Sequence[str | None]) -> list[Opened]:
    """Return the two sides of a comparison.

    Args:
        sides: quantized models, or paths of files.
        x: inputs.
        engines: what computes each side. None is Keras for a model. For a file it is the first
            engine that follows the target of a model on the other side, or the first that reads it.
    """
    if len(engines) != len(sides):
        raise ValueError(f"`engines` must have one for each side. Received: engines={engines}")
    found = [
        _model_side(side, x, engine, which)
        for side, engine, which in zip(sides, engines, WHICH, strict=True)
    ]
    targets = [side.reading.target for side in found if side is not None]
    following = [engine for target in targets for engine in get_target(target).engines]
    return [
        _file_side(os.fspath(given), engine, which, following) if side is None else side
        for given, side, engine, which in zip(sides, found, engines, WHICH, strict=True)
    ]


def _model_side(side, x, engine, which):
    """Return a side that Keras computes; None for other files."""
    if not isinstance(side, keras.Model):
        path = os.fspath(side)
        suffix = os.path.splitext(path)[1]
        if suffix not in (*OPENERS, *MODELS):
            raise ValueError(
                f"`{which}` must be a quantized model or a file of type "
                f"{', '.join((*OPENERS, *MODELS))}. Received: {which}={path!r}"
            )
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"`{which}` must be a file that exists. Received: {which}={path!r}"
            )
        if suffix not in MODELS:
            return None
    if engine not in (None, "keras"):
        raise ValueError(
            f"Keras computes `{which}`, a model: export it for another engine, and compare the "
            f"file. Received: engine={engine!r}"
        )
    is_model = isinstance(side, keras.Model)
    return KerasSide(side if is_model else keras.models.load_model(side, compile=False), x)


def _file_side(path, engine, which, following):
    suffix = os.path.splitext(path)[1]
    openers = OPENERS[suffix]
    if engine is None and suffix == ".onnx":
        engine = "qonnx" if is_qonnx(path) else "onnxruntime"
    elif engine is None:
        engine = next((name for name in following if name in openers), next(iter(openers)))
    if not is_choice(engine, openers):
        raise ValueError(
            f"The engine of `{which}`, a file of type {suffix}, must be one of {list(openers)}. "
            f"Received: engine={engine!r}"
        )
    return openers[engine](path, engine)


def inputs_of(sides: Sequence[Opened], x) -> list[list[np.ndarray]]:
    """Return one array for each input of each side, of the types that a model takes."""
    types = next((side.types for side in sides if side.types), None)
    if types is None:
        return [_arrays(side, x) for side in sides]
    return [
        [array.astype(dtype) for array, dtype in zip(_arrays(side, x), types, strict=True)]
        for side in sides
    ]


def _arrays(side, x):
    if isinstance(x, dict):
        if set(x) != set(side.input_names):
            raise ValueError(f"`x` must have the keys {side.input_names}. Received: {list(x)}")
        x = [x[name] for name in side.input_names]
    arrays = [np.asarray(array) for array in keras.tree.flatten(x)]
    counts = {len(array) for array in arrays}
    if len(arrays) != len(side.input_names) or len(counts) != 1 or counts == {0}:
        raise ValueError(
            f"`x` must hold one array for each of the inputs {side.input_names}, of as many "
            f"samples each. Received: shapes {[array.shape for array in arrays]}"
        )
    return arrays


def pairs_of(first: list[str], second: list[str]) -> list[tuple[str, str, str]]:
    """Return `(name, tensor of the first side, tensor of the second)` of what both sides have.

    Tensors belong together if they have the name of the same quantizer. Where it gives several
    tensors, the order in the program tells which is which.
    """
    groups = [_by_quantizer(names) for names in (first, second)]
    return [
        (name if len(ours) == 1 else f"{name} ({number + 1})", *pair)
        for name, ours in groups[0].items()
        if len(ours) == len(groups[1].get(name, ()))
        for number, pair in enumerate(zip(ours, groups[1][name], strict=True))
    ]


def _by_quantizer(names):
    groups = {}
    for name in names:
        groups.setdefault(POSITION.sub("", name), []).append(name)
    return groups
