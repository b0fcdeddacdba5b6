"""Whatever is imported first, `tf.keras` stays what it is; tfmot waits for its first use."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
import {first}
import keras_alt
waits = "tensorflow_model_optimization" not in sys.modules
keras_alt.tfmot.to_keras3
import tensorflow as tf, tf_keras, keras
expected = tf_keras if os.environ.get("TF_USE_LEGACY_KERAS") == "1" else keras
print(waits, tf.keras.Model is expected.Model, os.environ.get("TF_USE_LEGACY_KERAS"))
"""


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    ("first", "legacy"),
    [
        pytest.param("tensorflow", None, marks=pytest.mark.full),
        pytest.param("keras", None, marks=pytest.mark.full),
        pytest.param("keras_alt", None, marks=pytest.mark.full),
        ("keras_alt", "1"),
    ],
)
def test_tf_keras_stays_what_it_is(first, legacy):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_USE_LEGACY_KERAS", None)
    environment |= {"TF_USE_LEGACY_KERAS": legacy} if legacy else {}
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(first=first)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout.split() == ["True", "True", str(legacy)], process.stderr
