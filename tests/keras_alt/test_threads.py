"""Threads do not disturb each other."""

import sys
import threading

import keras
import numpy as np
import pytest

import keras_alt
from keras_alt.calibration import maximum
from keras_alt.graph import deep_recursion

X = np.linspace(-1, 1, 16, dtype="float32").reshape(4, 4)


def quantized():
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(3, name="c1")(inputs)
    return keras_alt.quantize_model(keras.Model(inputs, keras.layers.Dense(2)(dense)))


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_the_recursion_limit_comes_back_after_blocks_that_overlap(first_ends_first):
    before = sys.getrecursionlimit()
    first, second = deep_recursion(before + 1000), deep_recursion(before + 500)
    order = (first, second) if first_ends_first else (second, first)

    first.__enter__()
    second.__enter__()
    assert sys.getrecursionlimit() == before + 1000
    order[0].__exit__(None, None, None)
    assert sys.getrecursionlimit() >= before + 500
    order[1].__exit__(None, None, None)

    assert sys.getrecursionlimit() == before


@pytest.mark.parametrize("function", [keras_alt.calibrate, keras_alt.report])
def test_one_function_at_a_time_watches_a_model(function):
    model, started, go = quantized(), threading.Event(), threading.Event()
    expected = keras_alt.calibrate(model, X, activations=maximum, verbose=False)

    def waiting(histogram, format):
        started.set()
        go.wait(60)
        return maximum(histogram, format)

    rules = {"activations": waiting, "verbose": False}
    thread = threading.Thread(target=keras_alt.calibrate, args=(model, X), kwargs=rules)
    thread.start()
    started.wait(60)
    try:
        with pytest.raises(RuntimeError, match="wait for the thread that runs `calibrate`"):
            function(model, 2 * X)
    finally:
        go.set()
        thread.join()

    assert expected == {name: q.threshold for name, q in keras_alt.quantizers(model).items()}
    function(model, 2 * X)
