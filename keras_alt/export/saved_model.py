"""Export to TensorFlow's SavedModel, which runs without this package."""

import os

import keras

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.folders import folder_written_whole
from keras_alt.engines.on_tensorflow import on_tensorflow
from keras_alt.graph import deep_recursion
from keras_alt.keras_internals import nested_layers
from keras_alt.layers.batch_norm import FoldedBatchNorm
from keras_alt.quantizer import quantizers


def to_saved_model(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as a TensorFlow SavedModel of plain TensorFlow operations.

    The SavedModel computes the same bits as the Keras model on TensorFlow, for any batch size. Run
    it by `tf.saved_model.load(path).serve(x)` or by its signature `serving_default`. On JAX and
    torch, the model is saved as `.keras` and exported by a separate process on TensorFlow.

    Args:
        model: quantized and calibrated model, with any target.
        path: folder to write, new or empty.

    Returns:
        The path.

    Raises:
        ExportError: the model is not quantized, not calibrated, or has batch norms that still use
            batch statistics.
        FileExistsError: `path` is a file or a folder that is not empty.
    """
    require_final(model)
    with folder_written_whole(path) as folder:
        if keras.backend.backend() == "tensorflow":
            with deep_recursion():
                model.export(folder, format="tf_saved_model", verbose=False)
        else:
            on_tensorflow(model, "keras_alt.export.to_saved_model(model, path)", folder)
    return os.fspath(path)


def require_final(model: keras.Model):
    """Raise an error unless the thresholds and the statistics of a quantized model are final."""
    found = quantizers(model)
    if not found:
        raise ExportError(
            "The model must be quantized, by `keras_alt.quantize_model`. "
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
                "Batch norms must use moving statistics: train with "
                "`keras_alt.callbacks.FreezeBatchNorm` first. "
                f"Received: '{layer.path}', which still uses batch statistics."
            )
