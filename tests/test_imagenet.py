"""`examples/imagenet.py` on a few generated images in the layout of ImageNet."""

import importlib
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_alt.callbacks.steps import StepCallback
from keras_alt.layers import CappedReLU

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
CLASSES = 6
pytestmark = [pytest.mark.tensorflow_only, pytest.mark.full]


@pytest.fixture
def imagenet(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("imagenet")


@pytest.fixture
def jpegs(tmp_path, rng):
    """Write images of various sizes, each class in a colour of its own, with noise."""
    for split, count in (("train", 30), ("validation", 8)):
        for label in range(CLASSES):
            folder = tmp_path / "jpegs" / split / f"n{label:08}"
            folder.mkdir(parents=True)
            colour = np.eye(6, 3)[label] * 120 + 20 * label
            for i in range(count):
                shape = 40 + i % 5, 44 - i % 3, 3
                pixels = np.clip(colour + rng.normal(0, 30, shape), 0, 255)
                keras.utils.save_img(folder / f"{i}.JPEG", pixels, scale=False, file_format="jpeg")
    return tmp_path / "jpegs"


@pytest.fixture
def network(tmp_path):
    x = inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(x))
    x = keras.layers.DepthwiseConv2D(3, activation="relu6")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(x))
    model.save(tmp_path / "net.keras")
    return tmp_path / "net.keras"


def kills_third_epoch(steps):
    """Return a hook that notes how many steps the optimizer has done, and fails once."""

    def on_epoch_begin(callback, epoch, logs=None):
        StepCallback.on_epoch_begin(callback, epoch)
        callback._every = 1
        steps.append(int(callback.model.optimizer.iterations))
        if len(steps) == 3:
            raise KeyboardInterrupt

    return on_epoch_begin


def test_from_jpegs_to_a_trained_network(imagenet, jpegs, network, tmp_path, monkeypatch, capsys):
    def run(command, *arguments, data=tmp_path / "records"):
        capsys.readouterr()
        imagenet.main([command, "--data", str(data), *map(str, arguments)])
        return capsys.readouterr().out

    prepare = "prepare", "--records", tmp_path / "records", "--shards", 4
    assert "train: 4 of 4 records" in run(*prepare, data=jpegs)
    (tmp_path / "records" / "train-00002-of-00004").unlink()  # as if interrupted
    assert "train: 1 of 4 records" in run(*prepare, data=jpegs)

    output = "--output", tmp_path / "out", "--batch-size", 12
    run("calibrate", network, *output, "--family", "mobilenet_v2", "--target", "litert")
    train = "train", *output, "--steps", 12, "--validate-every", 3, "--rate", 1e-2
    steps = []
    monkeypatch.setattr(imagenet.ThresholdHistory, "on_epoch_begin", kills_third_epoch(steps))
    with pytest.raises(KeyboardInterrupt):
        run(*train)
    assert "resumed after 6 steps" in run(*train)
    assert steps == [0, 3, 6, 6, 9]
    epochs = (tmp_path / "out" / "training.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in epochs] == ["0", "1", "2", "3"]

    lines = run("validate", *output).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["float", "calibrated", "trained"]
    assert run("validate", *output, data=jpegs).splitlines() == lines


# Devices are set up before TensorFlow starts, so this is a process of its own.
ON_TWO_DEVICES = """
import json
import sys

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
import imagenet

for command in json.loads(sys.argv[1]):
    imagenet.main(command)
"""


def test_two_devices_train_an_equalized_network(jpegs, network, tmp_path):
    options = "--data", jpegs, "--output", tmp_path / "out", "--batch-size", 12
    calibrate = "calibrate", network, *options, "--family", "mobilenet_v2", "--equalize"
    train = "train", *options, "--distribute", "--steps", 4, "--validate-every", 2, "--rate", 1e-2
    commands = [list(map(str, command)) for command in (calibrate, train, ("validate", *options))]
    run = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES, json.dumps(commands)],
        cwd=EXAMPLES,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "training on 2 devices" in run.stdout
    assert [line.split()[0] for line in run.stdout.splitlines()[-3:]] == [
        *("float", "calibrated", "trained")
    ]
    calibrated = keras.models.load_model(tmp_path / "out" / "quantized.keras", compile=False)
    assert any(isinstance(layer, CappedReLU) for layer in calibrated.layers)
