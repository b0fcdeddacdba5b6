"""The one place that imports tensorflow-model-optimization and tf_keras."""

import os
import types

LEGACY = "TF_USE_LEGACY_KERAS"


def imported() -> tuple[types.ModuleType, types.ModuleType]:
    """Return `(tensorflow_model_optimization, tf_keras)`; what `tf.keras` is does not change.

    The first import of tensorflow_model_optimization sets `TF_USE_LEGACY_KERAS`, which would turn
    a `tf.keras` that nobody has touched yet into tf_keras for the whole process.

    Raises:
        ImportError: one of them is not installed.
    """
    import tensorflow as tf

    tf.keras.Model  # noqa: B018 - decides what `tf.keras` is, before the variable is set
    before = os.environ.get(LEGACY)
    try:
        import tensorflow_model_optimization as tfmot
        import tf_keras
    except ImportError as error:
        raise ImportError(
            "`keras_alt.tfmot` needs `pip install tensorflow-model-optimization tf_keras`."
        ) from error
    finally:
        if before is None:
            os.environ.pop(LEGACY, None)
        else:
            os.environ[LEGACY] = before
    return tfmot, tf_keras
