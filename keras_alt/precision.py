"""Keras' dtype policies: which are mixed precision, and which one new layers get."""

import contextlib
from collections.abc import Iterator

import keras

SHORT = ("float16", "bfloat16")


def is_mixed(layer: keras.layers.Layer) -> bool:
    """Return whether a layer keeps variables in float32 and is asked to compute in 16 bits."""
    return layer.compute_dtype in SHORT and layer.variable_dtype == "float32"


@contextlib.contextmanager
def float32_by_default() -> Iterator[None]:
    """Make new layers float32 inside, whatever the global policy is. Threads do not share it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
