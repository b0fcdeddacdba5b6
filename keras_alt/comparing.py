"""Comparison of what two models or files compute."""

import os
import time

import keras
import numpy as np

from keras_alt.comparison import Accuracies, Change, Comparison
from keras_alt.engines.opened import Computed, Opened
from keras_alt.number_checks import real_number, whole_number
from keras_alt.opening import Side, inputs_of, opened, pairs_of


def compare(
    first: Side,
    second: Side,
    x,
    labels=None,
    engines: tuple[str | None, str | None] = (None, None),
    allowed_drop: float | None = None,
    batch_size: int = 32,
) -> Comparison:
    """Compare what two models or files compute.

    Two codes are equal if they are worth the same, so the two sides may have other grids. Where a
    file takes codes, `x` is quantized as the model does, if one side is a model, else half to even.
    Bytes, of dtype "uint8", are given as they are, unless a model takes them as floats.

    Args:
        first, second: a quantized and calibrated model, or the path of a file: `*.tflite`,
            `*.onnx`, or `*.keras` and `*.h5` of a quantized model.
        x: inputs as the Keras model takes them.
        labels: the right classes as integers, of the shape of the output without its last axis; or
            None. The output must be one number for each class, and the only one.
        engines: what computes each side: "litert", "litert-reference" or "tflm" a `*.tflite`;
            "onnxruntime" or, with Quant nodes, "qonnx" an `*.onnx`; "keras" a model. None is the
            engine that follows the target of a model on the other side, or else "litert".
        allowed_drop: by how much the accuracy of the second may be lower, 0.01 for one point. Then
            codes may differ. None: no output code may differ.
        batch_size: number of samples per batch.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: a side is nothing of that kind, its engine does not read it, `x` has no samples
            or other inputs, the two sides have other outputs, or labels do not fit.
        FileNotFoundError: there is no such file.
        ImportError: an engine is not installed. The message says what to install.

    Example:

    ```python
    result = keras_alt.compare("before.tflite", "after.tflite", x_test, y_test)
    print(result)
    result.to_junit("codes.xml")
    if not result.passed:
        raise SystemExit(1)
    ```
    """
    start = time.monotonic()
    if allowed_drop is not None and labels is None:
        raise ValueError(f"`allowed_drop` needs `labels`. Received: allowed_drop={allowed_drop}")
    if allowed_drop is not None:
        real_number("allowed_drop", allowed_drop, "a number", lambda n: True)
    whole_number("batch_size", batch_size)
    sides = opened((first, second), x, engines)
    inputs = inputs_of(sides, x)
    samples, labels = len(inputs[0][0]), None if labels is None else np.asarray(labels)
    if labels is not None and len(labels) != samples:
        raise ValueError(
            f"`labels` must hold one for each sample. Received: {len(labels)} for {samples} samples"
        )
    changes, answers = Changes(sides), Answers()
    for begin in range(0, samples, batch_size):
        part = slice(begin, begin + batch_size)
        computed = [
            side.compute([array[part] for array in arrays], changes.rounding)
            for side, arrays in zip(sides, inputs, strict=True)
        ]
        changes.add(*computed)
        if labels is not None:
            answers.add(labels[part], *computed)
    return Comparison(
        *(_described(*pair) for pair in zip((first, second), sides, strict=True)),
        samples,
        changes.rows("outputs"),
        changes.rows("tensors"),
        None if labels is None else answers.accuracies(),
        allowed_drop,
        time.monotonic() - start,
    )


def _described(given, side):
    name = f"model '{given.name}'" if isinstance(given, keras.Model) else os.path.basename(given)
    return f"{name}, {side.engine}, {side.version()}"


class Changes:
    """Counts the changes of tensors over all batches.

    Args:
        sides: the two sides.

    Attributes:
        rounding: by which both sides quantize the inputs.
    """

    def __init__(self, sides: list[Opened]):
        self.rounding = next((side.rounding for side in sides if side.rounding), "half_even")
        self.ends = _paired_ends(*(side.ends for side in sides))
        self.counts = {"outputs": {}, "tensors": {}}

    def add(self, first: Computed, second: Computed):
        """Add what both sides compute of a batch."""
        shown = pairs_of(list(first.tensors), list(second.tensors))
        for kind, pairs in (("outputs", self.ends), ("tensors", shown)):
            for name, ours, theirs in pairs:
                if ours not in first.tensors or theirs not in second.tensors:
                    raise RuntimeError(f"The engines must show the codes of '{name}'.")
                a, b = first.tensors[ours], second.tensors[theirs]
                if a.codes.shape == b.codes.shape:
                    # Both scales are powers of two mostly, so this is exact.
                    steps = np.abs(b.codes * (b.scale / a.scale) - a.codes)
                    self._count(kind, name, steps)
                elif kind == "outputs":
                    raise ValueError(
                        f"Both sides must have outputs of one shape. Received: '{name}' of shapes "
                        f"{a.codes.shape[1:]} and {b.codes.shape[1:]}"
                    )

    def _count(self, kind, name, steps):
        changed, total, largest = self.counts[kind].get(name, (0, 0, 0.0))
        self.counts[kind][name] = (
            changed + int(np.count_nonzero(steps)),
            total + steps.size,
            max(largest, float(steps.max(initial=0))),
        )

    def rows(self, kind: str) -> list[Change]:
        """Return the changes of all batches, of "outputs" or of "tensors"."""
        return [Change(name, *counts) for name, counts in self.counts[kind].items()]


def _paired_ends(first, second):
    """Return the pairs of tensors where the integers of both sides end."""
    pairs = pairs_of(first, second)
    if len(pairs) == len(first) == len(second) > 0:
        return pairs
    if not first or len(first) != len(second):
        raise ValueError(
            f"Both sides must have as many outputs of codes. Received: {first} and {second}"
        )
    return [(ours, ours, theirs) for ours, theirs in zip(first, second, strict=True)]


class Answers:
    """Collects which answers of both sides are right."""

    def __init__(self):
        self.right = ([], [])

    def add(self, labels: np.ndarray, *computed: Computed):
        """Add a batch of classes, and what both sides compute."""
        for right, side in zip(self.right, computed, strict=True):
            outputs = side.outputs[0]
            fits = len(side.outputs) == 1 and outputs.shape[:-1] == labels.shape
            if not fits or outputs.shape[-1] < 2:
                raise ValueError(
                    "`labels` must be whole numbers for a model with one output that has a number "
                    "for each of two classes or more, and of the shape of the output without its "
                    f"last axis. Received: labels of shape {labels.shape}, "
                    f"outputs of shapes {[output.shape for output in side.outputs]}"
                )
            right.append((outputs.argmax(-1) == labels).ravel())

    def accuracies(self) -> Accuracies:
        """Return the accuracies on all batches."""
        return Accuracies.of(*(np.concatenate(parts) for parts in self.right))
