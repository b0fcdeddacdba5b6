"""The state of a run in one file, from which the run goes on after a kill."""

import hashlib
import json
import os

import keras

from keras_alt.files import target_of, written_whole
from keras_alt.keras_internals import resume_at
from keras_alt.quantizer import quantizers

ATTRIBUTE = "keras_alt_backup"  # of the root of the HDF5 file


class Backup(keras.callbacks.Callback):
    """Keeps the state of a run after every epoch, so that the same `fit` goes on after a kill.

    The file holds the weights, the optimizer and the number of epochs done. It is complete at every
    moment, and it stays when the run ends: the same call then trains nothing and has the trained
    model. `keras.callbacks.BackupAndRestore` writes weights and epochs one after another into
    two files and removes them at the end, so that a kill in between repeats an epoch on weights
    that have had it already, or ends in an error.

    Example:

    ```python
    backup = keras_alt.callbacks.Backup("run.weights.h5")
    quantized.fit(x, y, epochs=20, callbacks=[keras_alt.callbacks.FreezeThresholds(), backup])
    ```

    List it behind all other callbacks, so that they have done their part of an epoch that counts
    as done. The run is the same as one without a kill if each epoch gets the same batches, as with
    `shuffle=False`, and the other callbacks keep what they need in the model or in files, as those
    of this package do, except for the counts of `FreezeOscillating`.

    Args:
        path: ends in `.weights.h5`. If the file exists, the run goes on from it; delete the file to
            start anew.

    Attributes:
        epochs: the number of epochs that the file counts as done, 0 without a file.

    Raises:
        ValueError: `path` does not end so, or the file was not written by this callback for the
            same network.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        target_of(path)  # raises an error if it is no path
        self.path = os.fspath(path)
        if not self.path.endswith(".weights.h5"):
            raise ValueError(f"`path` must end in .weights.h5. Received: path={self.path!r}")

    @property
    def epochs(self) -> int:
        return _read(self.path)["epochs"] if os.path.exists(self.path) else 0

    def on_train_begin(self, logs=None):
        if not os.path.exists(self.path):
            return
        record = _read(self.path)
        if record["network"] != _network(self.model):
            raise ValueError(
                f"'{self.path}' keeps a run of another network, with other layers or widths: "
                "choose another path, or delete the file. "
                f"Received: model '{self.model.name}'"
            )
        if self.model.optimizer is not None:
            # Keras builds it in the first step. Its variables are in the file.
            self.model.optimizer.build(self.model.trainable_variables)
        self.model.load_weights(self.path)
        resume_at(self.model, record["epochs"])

    def on_epoch_end(self, epoch, logs=None):
        import h5py

        record = {"epochs": epoch + 1, "network": _network(self.model)}
        with written_whole(self.path) as temporary:
            self.model.save_weights(temporary)
            with h5py.File(temporary, "a") as file:
                file.attrs[ATTRIBUTE] = json.dumps(record)

    def on_train_end(self, logs=None):
        resume_at(self.model, None)  # the next `fit` begins where it is told to


def _network(model):
    """Return a hash of the shapes and formats of a model, without names, which Keras counts on."""
    weights = [(variable.name, tuple(variable.shape)) for variable in model.weights]
    formats = [str(quantizer.format) for quantizer in quantizers(model).values()]
    return hashlib.sha256(repr((weights, formats)).encode()).hexdigest()


def _read(path):
    import h5py

    try:
        with h5py.File(path) as file:
            record = json.loads(file.attrs[ATTRIBUTE])
        return {"epochs": int(record["epochs"]), "network": record["network"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            "A file that exists must have been written by `Backup`: choose another path, or move "
            f"the file away. Received: path={path!r}"
        ) from error
