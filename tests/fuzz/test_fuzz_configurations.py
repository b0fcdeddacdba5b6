"""Random values for configurations, formats, rates and thresholds."""

import dataclasses
import math

import keras
import numpy as np
from attempts import attempt
from hypothesis import strategies as st

import keras_alt
from keras_alt import calibration, callbacks
from keras_alt.targets import TARGETS

SCALARS = st.one_of(
    st.sampled_from([None, True, False, 0, 1, 2, 8, 16, 32, 33, -1, 10**400, "8", "int8", "uint8"]),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 8.0, math.nan, math.inf, 1e-45, 1e39, 2j, b"8", "auto"]),
    st.sampled_from([np.int64(8), np.float32(0.1), np.bool_(True), np.array(8), np.array([8, 8])]),
    st.sampled_from(["fold", "train", "tensor", "channel", *TARGETS, "", "*", "[", "\0", object()]),
    *(st.integers(), st.floats(), st.text(max_size=4), st.binary(max_size=3)),
)
VALUES = st.recursive(
    SCALARS,
    lambda values: st.one_of(
        st.lists(values, max_size=3),
        st.lists(values, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), values, max_size=3),
        st.just(i for i in "ab"),
    ),
    max_leaves=6,
)
FLAGS = st.one_of(st.booleans(), st.booleans(), VALUES)
FIELDS = [field.name for field in dataclasses.fields(keras_alt.QuantizeConfig)]
WIDTHS = ("weights", "activations", "biases", "accumulators", "bits", "x")
OVERRIDES = st.dictionaries(
    st.sampled_from(["*", "a", "[", ""]), st.dictionaries(st.sampled_from(WIDTHS), SCALARS)
)


def test_configurations():
    given = st.dictionaries(st.sampled_from(FIELDS), st.one_of(SCALARS, VALUES, OVERRIDES))

    @attempt("configurations", 6, given)
    def _(arguments):
        config = keras_alt.QuantizeConfig(**arguments)
        assert dataclasses.replace(config) == config
        assert config.for_layer("a").target in TARGETS
        config.check_target()
        config.check_names(["a", "b"])


def test_formats():
    @attempt("formats", 6, st.one_of(st.integers(2, 32), VALUES), FLAGS, FLAGS)
    def _(bits, signed, narrow):
        format = keras_alt.FixedPoint(bits, signed, narrow)
        assert 2 <= format.bits <= 32
        assert format.qmin <= 0 < format.qmax
        assert type(format)(**dataclasses.asdict(format)) == format


ARGUMENTS = {
    keras_alt.optimizers.alt: ("weights", "thresholds", "batch_size", "steps", "ema_momentum"),
    callbacks.FreezeThresholds: ("start", "every"),
    callbacks.FreezeBatchNorm: ("step",),
    callbacks.Prune: ("schedule", "sparsity_m_by_n", "skip"),
    calibration.percentile: ("p",),
    keras_alt.Quantizer: ("format", "activation", "initial_threshold", "role", "channel_axes"),
    keras_alt.layers.QuantLeakyReLU: ("rounding",),
}
REQUIRED = {
    callbacks.Prune: {"schedule": lambda step: (True, 0.5)},
    calibration.percentile: {"p": 99},
    keras_alt.Quantizer: {"format": keras_alt.FixedPoint(8)},
}


def test_arguments():
    kinds = st.sampled_from(list(ARGUMENTS))

    @attempt("arguments", 6, kinds, st.data())
    def _(made, data):
        names = st.sampled_from(ARGUMENTS[made])
        drawn = data.draw(st.dictionaries(names, VALUES, min_size=1, max_size=2))
        made(**REQUIRED.get(made, {}) | drawn)


def test_thresholds():
    quantizer = keras_alt.Quantizer(keras_alt.FixedPoint(8))
    quantizer(keras.ops.zeros((1, 2)))

    @attempt("thresholds", 6, VALUES)
    def _(threshold):
        quantizer.set_threshold(threshold)
        values = keras.ops.convert_to_numpy(quantizer(np.float32([[0.0, 1.0]])))
        assert np.isfinite(values).all()
