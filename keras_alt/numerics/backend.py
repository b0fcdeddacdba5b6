"""The module of the backend that Keras runs on."""

import importlib

import keras

from keras_alt.numerics.contract import Backend, SumFusingBackend

numerics: Backend | SumFusingBackend = importlib.import_module(
    f"keras_alt.numerics.{keras.backend.backend()}"
)
