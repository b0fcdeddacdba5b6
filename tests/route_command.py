"""What the tests of the command `keras-route` share: a network, pins, and how to run it."""

import keras

from keras_route.cli import commands

PINS = "a, 3, 5\na, 20, 9\nb, 0, 0\nb, 31, 31\nb, 8, 30\n"


def saved_network(folder):
    """Return the path of a network that was never trained."""
    path = folder / "network.keras"
    layer = keras.layers.Conv2D(16, 5, padding="same")
    keras.Sequential([keras.Input((None, None, 1)), layer]).save(path)
    return path


def saved_pins(folder):
    path = folder / "pins.csv"
    path.write_text(PINS)
    return path


def runs(capsys):
    """Return the function that runs a command and returns its status and both outputs."""
    return lambda *arguments: (commands.main(list(map(str, arguments))), *capsys.readouterr())
