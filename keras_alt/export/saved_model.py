"""Exports to TensorFlow's SavedModel, which runs without this package."""

import functools
import os

import keras

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.folders import folder_written_whole
from keras_alt.engines.on_tensorflow import on_tensorflow
from keras_alt.graph import deep_recursion
from keras_alt.keras_internals import input_signature, nested_layers
from keras_alt.layers.batch_norm import FoldedBatchNorm
from keras_alt.quantizer import quantizers


def to_saved_model(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as a TensorFlow SavedModel of plain TensorFlow operations.

    For any batch size, its outputs equal those of the Keras model on TensorFlow bit for bit.
    `tf.saved_model.load(path).serve(x)` runs it, and so does its signature `serving_default`. On
    JAX and torch, a separate process loads the model on TensorFlow from a `.keras` file.

    Args:
        model: calibrated model, quantized with any target.
        path: the folder to write, which must be new or empty.

    Returns:
        The path.

    Raises:
        ExportError: the model is not quantized, or not calibrated, or has batch norms that still
            use batch statistics.
        FileExistsError: `path` exists and is not an empty folder.
    """
    require_final(model)
    with folder_written_whole(path) as folder:
        if keras.backend.backend() == "tensorflow":
            _write(model, folder)
        else:
            on_tensorflow(model, "keras_alt.export.to_saved_model(model, path)", folder)
    return os.fspath(path)


def _write(model, folder):
    # `model.export` leaves `training` open, and then augmentations work in the file.
    serve = functools.partial(model.__call__, training=False)
    archive = keras.export.ExportArchive()
    archive.track(model)
    with deep_recursion():
        archive.add_endpoint("serve", serve, input_signature(model))
        archive.write_out(folder, verbose=False)


def require_final(model: keras.Model):
    """Raise an error unless all thresholds and statistics of a quantized model are set."""
    found = quantizers(model)
    if not found:
        raise ExportError(
            "A quantized model is expected, from `keras_alt.quantize_model`. "
            f"Received: model '{model.name}' without any quantizer."
        )
    unset = [name for name, quantizer in found.items() if not quantizer.calibrated]
    if unset:
        raise ExportError(
            "Every threshold must be set: call `keras_alt.calibrate(model, data)` first. "
            f"Received: {len(unset)} of {len(found)} unset, the first being '{unset[0]}'"
        )
    for layer in nested_layers(model):
        if isinstance(layer, FoldedBatchNorm) and not bool(layer.statistics_frozen.value):
            raise ExportError(
                "Batch norms must have settled: train with `keras_alt.callbacks.FreezeBatchNorm` "
                f"first. Received: '{layer.path}', which still follows its batches."
            )
