"""The command `keras-route`."""

from keras_route.cli.commands import main as main
