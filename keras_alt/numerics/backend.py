"""The module of the backend that Keras runs on."""

import importlib

import keras

numerics = importlib.import_module(f"keras_alt.numerics.{keras.backend.backend()}")
