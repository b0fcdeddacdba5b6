"""Samples of TFRecord files."""

import glob
import io
import math
from collections.abc import Sequence

import keras
import numpy as np

from keras_alt.cli.images import read_image

ENDING = ".tfrecord"  # somewhere in the name: shards are called `train.tfrecord-00000-of-00004`
IMAGES = ("image/encoded", "image")  # of TensorFlow's image datasets, and of TensorFlow Datasets
LABELS = ("image/class/label", "label", "y")


def read_records(
    source: str, inputs: Sequence[keras.KerasTensor] | None, chosen
) -> tuple[np.ndarray | dict[str, np.ndarray], np.ndarray | None]:
    """Return inputs and labels of records that hold a `tf.train.Example` each.

    A feature with the name of an input, or `x` for a single one, has the numbers of the input: a
    list of floats or integers, or raw bytes. Otherwise `image/encoded` or `image` is a file of an
    image, which becomes values 0..255, resized to the input. Labels are an integer each, in
    `image/class/label`, `label` or `y`.

    Args:
        source: path of a file, or a glob of several.
        inputs: those of the model.
        chosen: function of the number of records that returns the indices of those to read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else. The message names what it holds.
        ImportError: TensorFlow is not installed.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    paths = sorted(glob.glob(source))
    if not paths:
        raise FileNotFoundError(f"The file of data must exist. Received: {source}")
    if inputs is None:
        raise ValueError(
            "Records need a model that tells the shapes of its inputs: give arrays in a .npz file. "
            f"Received: {source}, and files of engines alone"
        )
    try:
        count = sum(1 for _ in tf.data.TFRecordDataset(paths))
        indices = set(np.asarray(chosen(count)).tolist())
        features = [
            _features(tf.train.Example.FromString(record.numpy()))
            for index, record in enumerate(tf.data.TFRecordDataset(paths))
            if index in indices
        ]
    except (tf.errors.DataLossError, DecodeError) as error:
        raise ValueError(
            f"A record must be a `tf.train.Example`, in a file of TensorFlow. Received: {source}"
        ) from error
    if not features:
        raise ValueError(f"A file of records must hold some. Received: {source} without any")
    return _inputs(features, inputs, source), _labels(features, source)


def _features(example):
    """Return `{name: bytes or array}` of an example."""
    features = {}
    for name, feature in example.features.feature.items():
        values = getattr(feature, feature.WhichOneof("kind") or "bytes_list").value
        is_bytes = feature.WhichOneof("kind") == "bytes_list"
        features[name] = (values[0] if len(values) else b"") if is_bytes else np.array(values)
    return features


def _inputs(features, inputs, source):
    first, names = features[0], [tensor.name for tensor in inputs]
    if len(inputs) == 1 and names[0] not in first and "x" in first:
        names = ["x"]
    if all(name in first for name in names):
        arrays = [
            np.stack([_shaped(record, name, tensor, source) for record in features])
            for name, tensor in zip(names, inputs, strict=True)
        ]
        return arrays[0] if len(arrays) == 1 else dict(zip(names, arrays, strict=True))
    image = next((name for name in IMAGES if isinstance(first.get(name), bytes)), None)
    if image is None or len(inputs) > 1:
        others = f", x, or an image as {' or '.join(IMAGES)}" if len(inputs) == 1 else ""
        raise ValueError(
            f"A record must hold {' and '.join(names)}{others}. "
            f"Received: {source} with {_told(first)}"
        )
    files = [io.BytesIO(_feature(record, image, bytes, source)) for record in features]
    return np.stack([read_image(file, inputs[0].shape, source) for file in files])


def _shaped(features, name, tensor, source):
    """Return the numbers of a feature in the shape of an input."""
    values, shape = features.get(name), tensor.shape[1:]
    if isinstance(values, bytes):
        values = np.frombuffer(values, np.uint8)
    if values is None or None in shape or values.size != math.prod(shape):
        raise ValueError(
            f"Feature '{name}' must have the {'x'.join(map(str, shape))} numbers of input "
            f"'{tensor.name}', as floats, integers or bytes. Received: {source} with a record of "
            f"{_told(features)}"
        )
    return values.reshape(shape).astype("float32")


def _labels(features, source):
    name = next((name for name in LABELS if name in features[0]), None)
    if name is None:
        return None
    return np.array([_feature(record, name, np.ndarray, source).item() for record in features])


def _feature(features, name, kind, source):
    """Return a feature that each record must have: a file as bytes, or an array of one number."""
    value = features.get(name)
    if not isinstance(value, kind) or (kind is np.ndarray and value.size != 1):
        wanted = "a file of an image" if kind is bytes else "one number"
        raise ValueError(
            f"Feature '{name}' must be {wanted} in each record. Received: {source} with a record "
            f"of {_told(features)}"
        )
    return value


def _told(features):
    """Return the names and the kinds of what a record holds."""
    kinds = (
        f"{name} ({len(v)} bytes)" if isinstance(v, bytes) else f"{name} ({v.size} {v.dtype})"
        for name, v in sorted(features.items())
    )
    return ", ".join(kinds) or "nothing"
