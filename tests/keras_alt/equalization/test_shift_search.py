"""The shifts of channels add the least noise, and stay moderate."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L

import keras_alt
from keras_alt.equalization.noise import Side, activation
from keras_alt.equalization.search import best_shifts, total_noise
from keras_alt.layers import CappedReLU


def side(values, sign=1, weight=1.0):
    """Return a side of one channel for each class behind the fixed one."""
    classes = np.arange(1, len(values) + 1)
    values = np.asarray(values, float)
    return Side(classes, lambda s: values * np.exp2(sign * s[classes]), sign, weight)


def searched(tensors, count, dead=()):
    live = np.ones(count, bool)
    live[list(dead)] = False
    shifts = best_shifts(tensors, count, live, verbose=False)
    return shifts, live, total_noise(tensors, np.zeros(count), live)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5))
def test_noise_never_grows_and_the_median_stays(seed, channels, sides):
    rng = np.random.default_rng(seed)
    values = 2.0 ** rng.uniform(-8, 8, (sides, channels))
    tensors = [[side(row, rng.choice([-1, 1]))] for row in values]
    shifts, live, before = searched(tensors, channels + 1)
    assert total_noise(tensors, shifts, live) <= before
    assert shifts[0] == 0
    assert np.array_equal(shifts, np.round(shifts))
    assert abs(np.median(shifts[1:])) <= 0.5


@given(st.integers(0, 2**32 - 1))
def test_a_pair_of_kernels_gets_the_best_shifts(seed):
    rng = np.random.default_rng(seed)
    tensors = [[side(2.0 ** rng.uniform(-2, 2, 3), sign)] for sign in (1, -1)]
    shifts, live, _ = searched(tensors, 4)
    every = itertools.product([0.0], *[np.arange(-4.0, 5.0)] * 3)
    best = min(total_noise(tensors, np.array(tried), live) for tried in every)
    assert total_noise(tensors, shifts, live) <= 1.25 * best  # thresholds move one by one


def test_channels_that_are_opposed_are_evened_out():
    up, down = 2.0 ** np.array([-6, -2, 0, 2, 6]), 2.0 ** np.array([6, 2, 0, -2, -6])
    shifts, _, _ = searched([[side(1 / up)], [side(1 / down, -1)]], 6)
    np.testing.assert_array_equal(shifts[1:], np.log2(up))


def test_a_dead_channel_fits_and_sets_no_threshold():
    writes = np.array([1.0, 1.0, 1.0, 1e-3])
    reads = np.array([1.0, 1.0, 1.0, 30.0])
    shifts, _, _ = searched([[side(writes)], [side(reads, -1)]], 5, dead=[4])
    np.testing.assert_array_equal(shifts[1:4], 0)
    assert reads[3] * 2.0 ** -shifts[4] <= 1.0
    assert writes[3] * 2.0 ** shifts[4] <= 1.0


def test_channels_of_other_tensors_keep_their_scale_and_their_threshold():
    classes = np.array([0, 1])
    shared = Side(classes, lambda s: np.array([8.0, 0.5]) * np.exp2(s[classes]))
    shifts, live, before = searched([[shared], [side([4.0], -1)]], 2)
    assert 0.5 * 2.0 ** shifts[1] <= 8
    assert total_noise([[shared]], shifts, live) <= before


def test_the_activations_count():
    ranges = activation(np.array([1, 2]), np.array([1.0, 2.0**-8]))
    kernels = [[side([1.0, 1.0])], [side([1.0, 1.0], -1)]]
    assert not searched(kernels, 3)[0].any()
    shifts, _, _ = searched([*kernels, [ranges]], 3)
    assert shifts[2] > shifts[1]


@pytest.mark.parametrize("with_data", [True, False])
def test_constant_and_silent_channels_move_moderately(with_data, rng):
    inputs = keras.Input((6, 6, 3))
    x = L.ReLU(6.0, name="cap")(L.Conv2D(8, 3, name="first")(inputs))
    model = keras.Model(inputs, L.Dense(4, name="head")(x))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 0], bias[0] = 1e-22, 0.7  # gives its bias
    bias[1] = -100.0  # never fires
    model.get_layer("first").set_weights([kernel, bias])
    head, offset = model.get_layer("head").get_weights()
    head[1] *= 30
    model.get_layer("head").set_weights([head, offset])

    data = rng.normal(size=(16, 6, 6, 3)) if with_data else None
    equalized = keras_alt.equalize(model, data, verbose=False)

    before = np.abs(kernel).max(axis=(0, 1, 2))
    after = np.abs(equalized.get_layer("first").get_weights()[0]).max(axis=(0, 1, 2))
    shifts = np.log2(after / before)
    assert np.abs(shifts).max() <= 8
    assert abs(np.median(shifts)) <= 1
    if isinstance(equalized.get_layer("cap"), CappedReLU):
        np.testing.assert_array_equal(
            equalized.get_layer("cap").upper_bounds(), 6 * 2.0 ** np.round(shifts)
        )
