"""Runs an exported integer model with NumPy alone.

    python run.py inputs.npz outputs.npz

`inputs.npz` has one array for each input of the model (`np.savez("inputs.npz", first, second)`),
with samples along the first axis. Integers are taken as codes; floats are quantized first.
`outputs.npz` gets the codes of the outputs. The program needs Python 3.11 and NumPy.
`docs/integers.md` of keras-alt describes the format.
"""

import json
import os
import sys

import numpy as np

from keras_alt.engines.integer import packing
from keras_alt.integer import arithmetic


class IntegerModel:
    """The model in a folder that `keras_alt.export.to_integers` wrote.

    Attributes:
        model: the content of `model.json`.
        constants: int64 arrays by name. Channels with grids of their own are on the finest.
    """

    def __init__(self, folder):
        with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
            self.model = json.load(file)
        with np.load(os.path.join(folder, "weights.npz")) as packed:
            self.constants = {
                name: _aligned(packed[name], c) for name, c in self.model["constants"].items()
            }

    def run(self, arrays, batch_size=32):
        """Return the output codes; the first axis of each array is the samples."""
        codes = self.codes(arrays)
        parts = []
        for start in range(0, len(codes[0]), batch_size):
            values = self.trace([c[start : start + batch_size] for c in codes])
            parts.append([values[position] for position in self.model["outputs"]])
        return [np.concatenate(batches) for batches in zip(*parts, strict=True)]

    def codes(self, arrays):
        """Return the codes of inputs. Integers are codes, floats are rounded."""
        tensors = [self.model["tensors"][position] for position in self.model["inputs"]]
        if len(arrays) != len(tensors):
            raise ValueError(
                f"The model has {len(tensors)} inputs. Received: {len(arrays)} arrays."
            )
        roundings = self.model["front"].get("roundings", ["half_even"] * len(tensors))
        given = zip(tensors, map(np.asarray, arrays), roundings, strict=True)
        codes = [_codes(*values) for values in given]
        if len({len(c) for c in codes}) > 1:
            raise ValueError(
                "Each input needs as many samples. "
                f"Received: {' and '.join(str(len(c)) for c in codes)}"
            )
        return codes

    def trace(self, codes):
        """Return `{position: codes}` of every tensor for one batch of input codes."""
        values = dict(zip(self.model["inputs"], codes, strict=True))
        for step in self.model["steps"]:
            operands = [values[position] for position in step["inputs"]]
            attributes = {name: self._value(a) for name, a in step["attributes"].items()}
            operation = getattr(arithmetic, step["operation"])
            values[step["output"]] = operation(*operands, **attributes)
        return values

    def _value(self, attribute):
        """Return an attribute of a step, or the constant that it names."""
        return self.constants[attribute["constant"]] if isinstance(attribute, dict) else attribute


def _aligned(packed, constant):
    codes = packing.unpack(packed, constant["bits"], constant["signed"], constant["shape"])
    return codes << np.array(constant.get("shifts", 0), np.int64)


def _codes(tensor, values, rounding):
    name, low, high = tensor["name"], tensor["low"], tensor["high"]
    expected = tensor["shape"]
    fits = len(values.shape) == len(expected) + 1 and all(
        e is None or e == n for e, n in zip(expected, values.shape[1:], strict=True)
    )
    if not fits or not len(values):
        raise ValueError(
            f"Input '{name}' expects samples of shape {expected}, at least one. "
            f"Received: shape={list(values.shape)}"
        )
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueError(f"Input '{name}' must be finite. Received: NaN or infinity.")
        values = values.astype(np.float32).astype(np.float64)  # the model computes in float32
        codes = arithmetic.FLOAT_ROUNDINGS[rounding](np.ldexp(values, -tensor["exponent"]))
        return np.clip(codes, low, high).astype(np.int64)
    codes = values.astype(np.int64)
    if codes.min() < low or codes.max() > high:
        raise ValueError(
            f"Input '{name}' expects codes from {low} to {high}. "
            f"Received: {codes.min()} to {codes.max()}"
        )
    return codes


def main(inputs, outputs):
    model = IntegerModel(os.path.dirname(os.path.abspath(__file__)))
    with np.load(inputs) as file:
        arrays = [file[name] for name in file.files]
    np.savez(outputs, *model.run(arrays))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
