"""Reading of inputs and labels from files, folders and functions."""

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from keras_alt.array_files import read_arrays
from keras_alt.cli.images import read_images
from keras_alt.cli.records import ENDING, read_records

INPUTS = ("x", "x_train", "x_test")
LABELS = ("y", "y_train", "y_test")


@dataclass(frozen=True)
class Data:
    """Samples of a model.

    Attributes:
        x: an array, or `{name of an input: array}`.
        y: labels, or None.
        source: where they come from, for messages.
    """

    x: np.ndarray | dict[str, np.ndarray]
    y: np.ndarray | None
    source: str

    def labels(self, shape: Sequence[int | None] | None = None) -> np.ndarray:
        """Return the labels.

        Args:
            shape: of an output that tells classes, or None. Labels in one-hot rows or in a column
                become a number for each.

        Raises:
            ValueError: there are none.
        """
        if self.y is None:
            raise ValueError(
                "Labels are needed: add an array 'y' to the data, or give `--labels FILE`. "
                f"Received: {self.source} without labels"
            )
        return self.y if shape is None else _numbered(self.y, tuple(shape))

    def first(self, count: int) -> np.ndarray | dict[str, np.ndarray]:
        """Return the inputs of the first samples."""
        if isinstance(self.x, dict):
            return {name: array[:count] for name, array in self.x.items()}
        return self.x[:count]


@dataclass(frozen=True)
class Choice:
    """Which samples are taken, and what is done to them.

    Attributes:
        samples: how many, drawn at random; None for all.
        seed: of the draw.
        scale, offset: values become `x * scale + offset`; None leaves them as they are.
    """

    samples: int | None = None
    seed: int = 0
    scale: float | None = None
    offset: float | None = None

    def indices(self, count: int) -> np.ndarray:
        """Return which of `count` samples are taken, in order."""
        if self.samples is None or self.samples >= count:
            return np.arange(count)
        drawn = np.random.default_rng(self.seed).permutation(count)[: self.samples]
        return np.sort(drawn)

    def scaled(self, x: np.ndarray) -> np.ndarray:
        if self.scale is None and self.offset is None:
            return x
        scale, offset = (d if v is None else v for v, d in ((self.scale, 1), (self.offset, 0)))
        return (x * np.float32(scale) + np.float32(offset)).astype("float32")


def read_data(
    source: str, inputs: Sequence[keras.KerasTensor] | None, choice: Choice, labels=None
) -> Data:
    """Return the samples of a source.

    Args:
        source: a .npz, .npy or .tfrecord file, a folder of images, or `module:function`, which
            returns x or `(x, y)`.
        inputs: those of the model; None if only files of engines are compared.
        choice: which samples are taken.
        labels: path of a file with a label for each sample of `source`, or None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError, TypeError: the source holds something else. The message says what is expected.
    """
    names = None if inputs is None else [tensor.name for tensor in inputs]
    if os.path.isdir(source):
        if labels is not None:
            raise ValueError(
                "The classes of a folder of images are the folders in it: leave out the file of "
                f"labels. Received: {source} and labels {labels}"
            )
        shape = inputs[0].shape if inputs is not None and len(inputs) == 1 else None
        x, y = read_images(source, shape, choice.indices)
        return Data(choice.scaled(x), y, source)
    if ENDING in os.path.basename(source):
        if labels is not None:
            raise ValueError(
                "The labels of records are in them: leave out the file of labels. "
                f"Received: {source} and labels {labels}"
            )
        x, y = read_records(source, inputs, choice.indices)
        return Data(_scaled(x, choice), y, source)
    if source.endswith(".npz"):
        x, y = _of_archive(source, names)
    elif source.endswith(".npy"):
        x, y = _load(source, np.ndarray), None
    else:
        x, y = _of_function(source)
    if labels is not None:
        y = _labels(labels)
    chosen = choice.indices(_count(source, x, y))
    x = {name: array[chosen] for name, array in x.items()} if isinstance(x, dict) else x[chosen]
    return Data(_scaled(x, choice), None if y is None else y[chosen], source)


def _scaled(x, choice):
    if isinstance(x, dict):
        return {name: choice.scaled(array) for name, array in x.items()}
    return choice.scaled(x)


def _numbered(labels, shape):
    """Return numbers of classes for one-hot rows or a column; other labels as they are."""
    numbers, one = labels, len(shape) < 2 or shape[-1] == 1
    if not one and labels.shape[1:] == shape[1:]:
        ones = np.count_nonzero(labels == 1, axis=-1)
        if np.all(ones == 1) and np.count_nonzero(labels) == ones.size:
            numbers = labels.argmax(-1)
    elif not one and labels.shape[1:] == (*shape[1:-1], 1):
        numbers = labels[..., 0]
    whole = np.issubdtype(numbers.dtype, np.floating) and np.all(numbers == np.rint(numbers))
    return numbers.astype("int64") if whole else numbers


def _count(source, x, y):
    """Return the number of samples."""
    arrays = [*(x.values() if isinstance(x, dict) else [x]), *([] if y is None else [y])]
    counts = {array.shape[:1] for array in arrays}
    if len(counts) != 1 or counts & {(), (0,)}:
        raise ValueError(
            "Inputs and labels must have as many samples each, along the first axis. "
            f"Received: {source} with shapes {[array.shape for array in arrays]}"
        )
    return counts.pop()[0]


def _load(path, kind):
    """Return what a file of arrays holds: an `np.ndarray`, or a dictionary of them."""
    try:
        found = read_arrays(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"The file of data must exist. Received: {path}") from error
    if not isinstance(found, kind):
        raise ValueError(
            "A file that `numpy.save` wrote ends in .npy, and one of `numpy.savez` in .npz: rename "
            f"it. Received: {path}"
        )
    return found


def _of_archive(path, names):
    found = _load(path, dict)
    y = next((found[name] for name in LABELS if name in found), None)
    if names and all(name in found for name in names):
        x = {name: found[name] for name in names}
        return (x[names[0]] if len(names) == 1 else x), y
    key = next((name for name in INPUTS if name in found), None)
    if key is not None and (names is None or len(names) == 1):
        return found[key], y
    if names is None and found:
        return {name: array for name, array in found.items() if name not in LABELS}, y
    one = names is None or len(names) == 1
    expected = f"an array {' or '.join((*(names or ()), *INPUTS))}"
    raise ValueError(
        f"A .npz file must hold {expected if one else 'the arrays ' + ' and '.join(names)}. "
        f"Received: {path} with {', '.join(found) or 'none'}"
    )


def _labels(path):
    if path.endswith(".npz"):
        arrays = _load(path, dict)
        key = next((name for name in LABELS if name in arrays), None)
        if key is not None:
            return arrays[key]
        raise ValueError(f"A .npz file of labels must hold an array 'y'. Received: {path}")
    return _load(path, np.ndarray)


def _of_function(source):
    module, colon, function = source.partition(":")
    if not colon and not os.path.exists(source):
        raise FileNotFoundError(f"The file or folder of data must exist. Received: {source}")
    if not colon or not all(part.isidentifier() for part in [*module.split("."), function]):
        raise ValueError(
            "Data must be a .npz, .npy or .tfrecord file, a folder of images, or "
            f"`module:function`, which returns x or (x, y). Received: {source}"
        )
    sys.path.insert(0, os.getcwd())  # as `python -m` does
    try:
        made = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"Python must find the function: run the command in the folder of the module. "
            f"Received: {source} ({error})"
        ) from error
    finally:
        sys.path.pop(0)
    x, y = made if isinstance(made, tuple) else (made, None)
    if isinstance(x, dict):
        x = {name: np.asarray(array) for name, array in x.items()}
    else:
        x = np.asarray(x)
    return x, None if y is None else np.asarray(y)
