"""Imports tensorflow-model-optimization and tf_keras; no other module does."""

import os
import types

LEGACY = "TF_USE_LEGACY_KERAS"
NEEDED = (
    "`keras_alt.tfmot` needs "
    "`pip install tensorflow tensorflow-model-optimization tf_keras`, on any backend of Keras."
)


def imported() -> tuple[types.ModuleType, types.ModuleType]:
    """Return `(tensorflow_model_optimization, tf_keras)` and leave `tf.keras` as it is.

    The first import of tensorflow_model_optimization sets `TF_USE_LEGACY_KERAS`. TensorFlow reads
    this variable at the first use of `tf.keras`, and would then turn it into tf_keras for the whole
    process.

    Raises:
        ImportError: one of the three packages is not installed.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(NEEDED) from error
    tf.keras.Model  # noqa: B018 - loads `tf.keras` before the variable is set
    before = os.environ.get(LEGACY)
    try:
        import tensorflow_model_optimization as tfmot
        import tf_keras
    except ImportError as error:
        raise ImportError(NEEDED) from error
    finally:
        if before is None:
            os.environ.pop(LEGACY, None)
        else:
            os.environ[LEGACY] = before
    return tfmot, tf_keras
