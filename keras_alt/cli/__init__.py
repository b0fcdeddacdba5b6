"""The command `keras-alt`."""

from keras_alt.cli.commands import main as main
