"""Training on several devices is training on one."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.full]

# Devices are set up before TensorFlow starts, so this is a process of its own.
SCRIPT = """
import keras
import numpy as np
import tensorflow as tf

import keras_alt

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])


def trained(strategy):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, :2])).batch(16).repeat()
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        model.layers[0].kernel.assign(rng.normal(size=(4, 2)))
        quantized = keras_alt.quantize_model(model)
        keras_alt.calibrate(quantized, x, verbose=False)
        optimizer = keras_alt.optimizers.alt(1e-2, 1e-2, steps=10)
        quantized.compile(optimizer, "mse", jit_compile=False)
    freeze = keras_alt.callbacks.FreezeThresholds(start=3)
    quantized.fit(data, steps_per_epoch=3, epochs=2, verbose=0, callbacks=[freeze])
    return quantized.get_weights()


one = trained(tf.distribute.get_strategy())
two = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for a, b in zip(one, two, strict=True):
    np.testing.assert_allclose(np.float32(a), np.float32(b), rtol=1e-5, atol=1e-6)
"""


def test_two_replicas_train_what_one_trains():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
