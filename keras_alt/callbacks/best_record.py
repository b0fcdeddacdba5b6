"""The best figure of a run, kept in the file of its best model."""

import hashlib
import json
import zipfile

import keras

from keras_alt.quantizer import quantizers

ATTRIBUTE = "keras_alt_best"  # of the root of an HDF5 file; an archive has it as its comment


def add(path: str, monitor: str, best: float, network: str):
    """Add the record of the best figure to a file that Keras has just saved."""
    record = json.dumps({"monitor": monitor, "best": best, "network": network})
    if path.endswith(".keras"):
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = record.encode()
    else:
        import h5py

        with h5py.File(path, "a") as file:
            file.attrs[ATTRIBUTE] = record


def read(path: str) -> dict:
    """Return the record of a file: `monitor`, `best` and `network`.

    Raises:
        ValueError: the file has none.
    """
    try:
        record = json.loads(_text(path))
        return {key: record[key] for key in ("monitor", "best", "network")}
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            "A file that exists must have been written by `BestCheckpoint`: choose another path, "
            f"or move the file away. Received: path={path!r}"
        ) from error


def _text(path):
    if path.endswith(".keras"):
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    import h5py

    with h5py.File(path) as file:
        return file.attrs[ATTRIBUTE]


def network(model: keras.Model) -> str:
    """Return a hash of the names and shapes of a model's weights, and of its formats."""
    weights = sorted((variable.path, tuple(variable.shape)) for variable in model.weights)
    formats = [(name, str(q.format)) for name, q in quantizers(model).items()]
    return hashlib.sha256(repr((weights, formats)).encode()).hexdigest()
