"""What the tests of the command `keras-alt` share: files to work on, and how to run it."""

import keras
import numpy as np

from keras_alt.cli import commands


def save_network(path, head=None):
    layers = [
        keras.Input((6, 6, 1), name="image"),
        keras.layers.Conv2D(4, 3, activation="relu", name="conv2d"),
        keras.layers.GlobalAveragePooling2D(),
        head or keras.layers.Dense(3, "softmax", name="dense"),
    ]
    keras.Sequential(layers).save(path)


def make_files(folder):
    """Write a float model, data, and the quantized model of the command; return the folder."""
    rng = np.random.default_rng(0)
    save_network(folder / "model.keras")
    x = rng.normal(size=(40, 6, 6, 1)).astype("float32")
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 3, 40))
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", rng.integers(0, 3, 40))
    given = ["--data", folder / "data.npz", "--output", folder / "q.keras", "--target", "litert"]
    assert commands.main(list(map(str, ["quantize", folder / "model.keras", *given]))) == 0
    return folder


def runner(capsys):
    """Return the function that runs a command and returns its status and both outputs."""

    def run(*arguments):
        capsys.readouterr()
        status = commands.main(list(map(str, arguments)))
        return status, *capsys.readouterr()

    return run


def succeed(result):
    """Return what a command has written, if nothing is wrong."""
    status, out, err = result
    assert (status, err) == (0, "")
    return out
