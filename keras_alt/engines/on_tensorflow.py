"""Runs an export on TensorFlow from a process on another backend."""

import importlib.util
import os
import subprocess
import sys

import keras

from keras_alt.engines.fitting import ExportError
from keras_alt.files import scratch_folder

SCRIPT = """
import sys
import keras, keras_alt
model, path = keras.models.load_model(sys.argv[1], compile=False), sys.argv[2]
"""


def on_tensorflow(model: keras.Model, statement: str, path: str):
    """Run a Python statement in a separate process on TensorFlow, with `model` loaded there.

    Args:
        model: the model; passed to the process as a `.keras` file.
        statement: Python that exports `model` to `path`.
        path: the path to write to.

    Raises:
        ImportError: TensorFlow is not installed.
        ExportError: the model does not load in the process, or the statement fails.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ImportError(
            f"To write model '{model.name}' to this format needs `pip install tensorflow`, on any "
            "backend of Keras."
        )
    with scratch_folder() as scratch:
        file = os.path.join(scratch, "model.keras")
        model.save(file)
        # The new process must find the user's own modules where this process finds them.
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
        }
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT + statement, file, path],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if process.returncode:
        raise ExportError(
            f"Model '{model.name}' must load on the TensorFlow backend to be written there; its "
            "own layers must be registered with `keras.saving`, in a module that is imported by "
            f"loading. Received there:\n{process.stderr[-2000:]}"
        )
