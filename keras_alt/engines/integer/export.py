"""Exports to plain integers: packed codes, and the steps of the program as JSON."""

import itertools
import json
import os
import re
from importlib import resources

import keras
import numpy as np

from keras_alt.engines.fitting import ExportError, fitting_program
from keras_alt.engines.folders import folder_written_whole
from keras_alt.engines.integer.packing import pack
from keras_alt.formats import FixedPoint
from keras_alt.integer import OPERATIONS, Constant, Program, Reading, Tensor, arithmetic
from keras_alt.keras_internals import operation_behind

VERSION = 1
CHANNELS = 2  # version of models with constants whose channels have grids of their own
# The layer's name of `constant`.
CONSTANTS = {"add_constant": "bias", "constant_tensor": "value", "multiply": "slope"}
FOR_KERAS = ("name", "trainable", "dtype")  # entries of a config that only Keras needs
SOURCES = {
    "run.py": ("keras_alt.engines.integer", "runner.py"),
    "packing.py": ("keras_alt.engines.integer", "packing.py"),
    "arithmetic.py": ("keras_alt.integer", "arithmetic.py"),
}


def to_integers(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as integers that are readable without Keras.

    `docs/files.md` describes the format. `model.json` has the steps, their shifts, roundings and
    bounds, and the format of every tensor. `weights.npz` has the codes of kernels and biases, each
    in `bits` bits. `run.py`, with `arithmetic.py` and `packing.py`, computes the model with NumPy
    alone. Float layers in front of the quantizers and behind them are described, not computed;
    `floats.npz` has their weights, if there are any.

    Args:
        model: calibrated model, quantized with any target.
        path: the folder to write, which must be new or empty.

    Returns:
        The path.

    Raises:
        NotIntegerError: some layers have no integer form; the message names them.
        ExportError: an operation comes from another package.
        FileExistsError: `path` exists and is not an empty folder.
    """
    write_integers(fitting_program(model, "integer"), path)
    return os.fspath(path)


def write_integers(reading: Reading, path: str | os.PathLike):
    """Write the folder of a model. Tensors keep the positions of the program."""
    _require_own_operations(reading.program)
    with folder_written_whole(path) as folder:
        described = Description(reading)
        with open(os.path.join(folder, "model.json"), "w", encoding="utf-8") as file:
            file.write(as_text(described.model()))
        np.savez(os.path.join(folder, "weights.npz"), **described.packed())
        floats = _floats(reading)
        if floats:
            np.savez(os.path.join(folder, "floats.npz"), **floats)
        for name, (package, source) in SOURCES.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(standing_alone(package, source))


def _require_own_operations(program: Program):
    """Raise an error for operations that are not in the folder's `arithmetic.py`."""
    foreign = {
        f"{step.operation} of layer '{step.layer}'": None
        for step in program.steps
        if OPERATIONS[step.operation].compute is not getattr(arithmetic, step.operation, None)
    }
    if foreign:
        raise ExportError(
            "The files run with NumPy alone, so every operation must be one of "
            "`keras_alt.integer.arithmetic`: write the layer's handler with those. "
            f"Received: {', '.join(foreign)}"
        )


def standing_alone(package: str, source: str) -> str:
    """Return the text of a module, changed to import its neighbours from its own folder."""
    text = resources.files(package).joinpath(source).read_text(encoding="utf-8")
    return re.sub(r"^from keras_alt[.\w]* import ", "import ", text, flags=re.MULTILINE)


class Description:
    """The content of the files of a program."""

    def __init__(self, reading: Reading):
        self.reading = reading
        self.constants = {}

    def model(self) -> dict:
        reading, program = self.reading, self.program()
        return {
            "format": "keras_alt integers",
            "version": VERSION if all(map(_has_one_grid, self.constants.values())) else CHANNELS,
            "name": reading.program.name,
            "target": reading.target,
            "front": {
                "layers": _layers(reading.entry),
                "gives": [operation_behind(t).name for t in reading.entry.outputs],
                **_roundings(reading),
            },
            "behind": {"layers": _layers(reading.exit), "outputs": reading.output_names},
            **program,
        }

    def program(self) -> dict:
        """Return what is computed in integers."""
        program = self.reading.program
        return {
            "inputs": program.inputs,
            "outputs": program.outputs,
            "steps": [self.step(step) for step in program.steps],
            "tensors": [self.tensor(tensor) for tensor in program.tensors],
            "constants": {name: _described(c) for name, c in self.constants.items()},
        }

    def packed(self) -> dict[str, np.ndarray]:
        """Return the packed bytes of each constant by name."""
        return {name: pack(c.codes, c.format.bits) for name, c in self.constants.items()}

    def step(self, step) -> dict:
        known = {"constant": CONSTANTS.get(step.operation)}
        return {
            "operation": step.operation,
            "layer": step.layer,
            "inputs": step.inputs,
            "output": step.output,
            "attributes": {
                name: self.attribute(f"{step.layer}/{known.get(name, name)}", value)
                for name, value in step.attributes.items()
            },
        }

    def tensor(self, tensor: Tensor) -> dict:
        format = tensor.format
        return {
            "name": tensor.name,
            "shape": tensor.shape,
            "exponent": tensor.exponent,
            "low": tensor.low,
            "high": tensor.high,
            "format": None if format is None else format.get_config(),
        }

    def attribute(self, name, value):
        """Return a value as JSON. An array becomes a constant, and JSON has its name."""
        if isinstance(value, np.ndarray):
            value = Constant(value, 0, FixedPoint(max(int(value.max()).bit_length(), 2), False))
        if not isinstance(value, Constant):
            return value
        # All calls of a layer share its constants.
        numbers = itertools.count(2)
        free = name
        while not _same(self.constants.setdefault(free, value), value):
            free = f"{name}_{next(numbers)}"
        return {"constant": free}


def as_text(contents: dict) -> str:
    """Return JSON with one line for each entry of its lists and dictionaries."""
    lines = []
    for name, value in contents.items():
        if isinstance(value, dict):
            inner = [f"{json.dumps(key)}: {_line(entry)}" for key, entry in value.items()]
            text = "{\n    " + ",\n    ".join(inner) + "\n  }" if inner else "{}"
        elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            text = "[\n    " + ",\n    ".join(_line(entry) for entry in value) + "\n  ]"
        else:
            text = _line(value)
        lines.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(value):
    return json.dumps(value, default=lambda number: number.item())  # includes NumPy integers


def _layers(model):
    return [
        {"name": layer.name, **_serialized(layer), **_weight_names(layer)}
        for layer in model.operations
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def _weight_names(layer):
    """Return an entry with the names in `floats.npz` of the weights of a layer, in its order."""
    names = [variable.path for variable in getattr(layer, "weights", ())]
    return {"weights": names} if names else {}


def _floats(reading):
    """Return the weights of the float layers by name."""
    variables = [*reading.entry.weights, *reading.exit.weights]
    return {variable.path: keras.ops.convert_to_numpy(variable) for variable in variables}


def _serialized(layer):
    serialized = keras.saving.serialize_keras_object(layer)
    config = {k: v for k, v in serialized["config"].items() if k not in FOR_KERAS}
    return {"type": serialized["class_name"], "config": config}


def _described(constant: Constant) -> dict:
    described = {
        "shape": constant.codes.shape,
        "exponent": constant.exponent,
        **constant.format.get_config(),
    }
    if not _has_one_grid(constant):
        described["shifts"] = constant.shifts.tolist()
    return described


def _has_one_grid(constant: Constant) -> bool:
    return constant.shifts is None


def _same(first, second):
    return first.format == second.format and all(
        np.array_equal(a, b)
        for a, b in ((first.codes, second.codes), (first.exponents, second.exponents))
    )


def _roundings(reading):
    """Return how floats become the codes of each input, where that is not half to even."""
    is_usual = set(reading.roundings) <= {"half_even"}
    return {} if is_usual else {"roundings": reading.roundings}
