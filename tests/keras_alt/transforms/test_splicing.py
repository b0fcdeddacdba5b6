"""Nested concats become one, and identities vanish."""

import keras
import pytest
from conftest import assert_same_function, types
from keras import layers as L

from keras_alt.transforms import collapse_concat, splice_identity

pytestmark = pytest.mark.check


def test_nested_concats_are_flattened_in_order(rng):
    a, b, c, d = (keras.Input((4, 4, n)) for n in (1, 2, 3, 4))
    inner = L.Concatenate()([b, L.Concatenate()([c, d])])
    model = keras.Model([a, b, c, d], L.Concatenate()([a, inner]))
    flat = collapse_concat(model)
    assert types(flat).count(L.Concatenate) == 1
    assert_same_function(model, flat, rng, relative=0)


def test_a_concat_over_another_axis_stays(rng):
    a = keras.Input((4, 4, 2))
    model = keras.Model(a, L.Concatenate(1)([L.Concatenate(-1)([a, a]), L.Concatenate(-1)([a, a])]))
    assert types(collapse_concat(model)).count(L.Concatenate) == 3


def test_identities_are_spliced(rng):
    a = keras.Input((4,))
    x = L.Activation("linear")(L.Identity()(L.Dense(3)(a)))
    model = keras.Model(a, L.Dense(2)(x))
    assert len(splice_identity(model).layers) == 3
