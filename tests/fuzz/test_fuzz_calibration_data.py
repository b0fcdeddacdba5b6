"""Absurd data for calibration, reports and verification."""

import itertools

import keras
import numpy as np
import pytest
from attempts import UsersError, attempt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers as L

import keras_alt

GOOD = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
KINDS = st.sampled_from(
    ["float32", "float64", "float16", "int8", "uint8", "int64", "uint64", "bool", "complex64"]
    + ["S4", "U3", "O", "M8[s]", "m8[s]", [("a", "f4")]]
)
SHAPES = st.one_of(
    st.just((8, 4)), st.just((1, 4)), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
)


@st.composite
def arrays(draw):
    """Draw an array of any kind and shape, some with values that are no use."""
    kind, shape = draw(KINDS), draw(SHAPES)
    if kind == "O":
        return np.full(shape, draw(st.sampled_from([None, "x", 1.5, object()])), object)
    if isinstance(kind, str) and np.dtype(kind).kind == "f":
        absurd = [np.nan, np.inf, -np.inf, 0.0, 1e-45, np.finfo(kind).max, 1.0]
        array = np.random.default_rng(0).normal(size=shape).astype(kind)
        array[np.random.default_rng(1).random(shape) < draw(st.sampled_from([0, 0.5, 1]))] = draw(
            st.sampled_from(absurd)
        )
        return array
    return (np.ones(shape) * draw(st.integers(0, 99))).astype(kind if kind != "m8[s]" else "i8")


def _raising():
    yield GOOD
    raise UsersError


class _Raises(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise UsersError


@st.composite
def data(draw):
    """Draw data: arrays, what holds arrays, and what is none."""
    one = draw(arrays())
    forms = [
        lambda: one,
        lambda: [one],
        lambda: (one, one),
        lambda: (one, GOOD, GOOD),
        lambda: {"i": one},
        lambda: {draw(st.sampled_from(["x", 1, None])): one},
        lambda: [one, GOOD],
        lambda: one.tolist(),
        lambda: (one for _ in range(2)),
        lambda: (value for value in (GOOD, one)),
        lambda: itertools.repeat(GOOD),
        lambda: itertools.repeat((GOOD, None)),
        lambda: (_ for _ in ()),
        lambda: iter([None, 1, "x"]),
        _raising,
        lambda: _Raises(),
        lambda: draw(st.sampled_from([None, 0, 1.5, "x", b"x", object(), int, {}, [], (), set()])),
        lambda: [[1.0, 2.0], [3.0]],
        lambda: [GOOD[:, :2], GOOD],
        lambda: range(4),
    ]
    return draw(st.sampled_from(forms))()


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((4,), name="i")
    x = L.Dense(3, activation="relu", name="c1")(inputs)
    return keras_alt.quantize_model(keras.Model(inputs, L.Dense(2, name="c2")(x)))


def test_calibration_data(model):
    weights = [variable.numpy() for variable in model.weights]

    @attempt("calibration data", 60, data())
    def _(drawn):
        thresholds = {}
        try:
            thresholds = keras_alt.calibrate(model, drawn, samples=20, verbose=False)
            assert all(np.isfinite(value) and value > 0 for value in thresholds.values())
            assert np.isfinite(model.predict_on_batch(GOOD)).all()
        finally:
            if not thresholds:  # an error leaves the model as it was
                for variable, value in zip(model.weights, weights, strict=True):
                    np.testing.assert_array_equal(variable.numpy(), value)
            model.set_weights(weights)


def test_data_of_reports_and_verification(model):
    weights = model.get_weights()
    keras_alt.calibrate(model, GOOD, verbose=False)
    functions = {
        "reported data": lambda drawn: keras_alt.report(model, drawn),
        "verified data": lambda drawn: keras_alt.verify(
            model, drawn, engine="integer", verbose=False
        ),
    }
    for kind, function in functions.items():

        @attempt(kind, 100, data())
        def _(drawn, kind=kind, function=function):
            if drawn is None and kind == "reported data":
                return
            if isinstance(drawn, itertools.repeat):  # all samples are verified
                return
            result = function(drawn)
            assert kind == "reported data" or result  # no code differs

    model.set_weights(weights)
