"""Reading of models from files of Keras 3 and of tf_keras."""

import json
import os
import re
import zipfile
from dataclasses import dataclass, field

import keras

from keras_alt.cli.whole_files import require_whole
from keras_alt.quantizer import quantizers

SUFFIXES = (".keras", ".h5", ".hdf5")
SAVED_MODEL = "saved_model.pb"
OF_TF_KERAS = "keras_metadata.pb"  # beside it, if tf_keras can read the layers


@dataclass(frozen=True)
class Found:
    """A model from a file.

    Attributes:
        model: a Keras 3 model.
        masks, thresholds: what `keras_alt.tfmot.to_keras3` found in a model of tf_keras.
    """

    model: keras.Model
    masks: dict = field(default_factory=dict)
    thresholds: dict = field(default_factory=dict)


def read_model(path: str | os.PathLike) -> Found:
    """Return the model of a file, or of a SavedModel that tf_keras wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no model that can be quantized. The message says what to do.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"The file of a model must exist. Received: {path}")
    if os.path.isdir(path):
        _require_layers(path)
    elif not path.endswith(SUFFIXES):
        raise ValueError(
            f"A model must be a file that ends in {', '.join(SUFFIXES)}, or a SavedModel folder. "
            f"Received: {path}"
        )
    try:
        if os.path.isfile(path):
            require_whole(path)
        if os.path.isdir(path) or _keras_version(path).startswith("2."):
            return _from_tf_keras(path)
        return Found(keras.models.load_model(path, compile=False))
    except ImportError:
        raise
    except Exception as error:  # each kind of damage has an exception of its own
        raise ValueError(f"Keras cannot load {path}: {_why(error)}") from error


def _why(error):
    """Return why a file does not load, with the way out where it needs code of the user."""
    text = str(error)
    own = re.search(r"Could not locate class '([^']+)'", text)
    if own:
        return (
            f"it has a class of your own, '{own[1]}', which a command does not know. Work in "
            "Python, where the class is imported: `keras_alt.quantize_model(model)`"
        )
    if "`Lambda` layer" in text:
        return (
            "it has a `Lambda` layer, and a command runs no code of a file. Work in Python: "
            "`keras.models.load_model(path, safe_mode=False)` if you trust the file, then "
            "`keras_alt.quantize_model(model)`"
        )
    return text


def read_float(path: str | os.PathLike) -> Found:
    """Return a model that is not quantized yet.

    Raises:
        ValueError: it is quantized.
    """
    found = read_model(path)
    if quantizers(found.model):
        raise ValueError(
            "The model must not be quantized yet: `keras-alt report` tells about a quantized one. "
            f"Received: {path}"
        )
    return found


def read_quantized(path: str | os.PathLike) -> keras.Model:
    """Return a quantized model.

    Raises:
        ValueError: it is a float model.
    """
    model = read_model(path).model
    if not quantizers(model):
        raise ValueError(
            "The model must be quantized: make one with `keras-alt quantize` first. "
            f"Received: {path}, a float model"
        )
    return model


def _require_layers(folder):
    if not os.path.isfile(os.path.join(folder, SAVED_MODEL)):
        raise ValueError(
            f"A folder must be a SavedModel, with a file {SAVED_MODEL}; other models are files "
            f"that end in {', '.join(SUFFIXES)}. Received: {folder}"
        )
    if not os.path.isfile(os.path.join(folder, OF_TF_KERAS)):
        raise ValueError(
            "A SavedModel without layers cannot be quantized: where the model was made, save it "
            f"with `model.save('model.keras')` too. Received: {folder}"
        )


def _keras_version(path):
    """Return the version of Keras that wrote a file, "" if it does not say."""
    import h5py

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            return str(json.load(file).get("keras_version", ""))
    with h5py.File(path) as file:
        version = file.attrs.get("keras_version", "")
    return version.decode() if isinstance(version, bytes) else str(version)


def _from_tf_keras(path):
    from keras_alt.tfmot import to_keras3
    from keras_alt.tfmot.packages import imported

    tfmot, tf_keras = imported()
    with tfmot.quantization.keras.quantize_scope(), tfmot.sparsity.keras.prune_scope():
        return Found(*to_keras3(tf_keras.models.load_model(path, compile=False)))
