"""A network, pins, and a way to run the command."""

import keras
import pytest

from keras_route.cli import commands

PINS = "a, 3, 5\na, 20, 9\nb, 0, 0\nb, 31, 31\nb, 8, 30\n"


@pytest.fixture
def network(tmp_path):
    """Return the path of a network that was never trained."""
    path = tmp_path / "network.keras"
    layer = keras.layers.Conv2D(16, 5, padding="same")
    keras.Sequential([keras.Input((None, None, 1)), layer]).save(path)
    return path


@pytest.fixture
def pins(tmp_path):
    path = tmp_path / "pins.csv"
    path.write_text(PINS)
    return path


@pytest.fixture
def run(capsys):
    """Return the function that runs a command and returns its status and both outputs."""

    def run(*arguments):
        status = commands.main(list(map(str, arguments)))
        return status, *capsys.readouterr()

    return run
