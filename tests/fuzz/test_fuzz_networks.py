"""Random networks under random configurations: quantized and exact, or refused."""

import contextlib

import keras
import numpy as np
import pytest
from attempts import attempt
from conftest import randomize
from hypothesis import strategies as st
from random_networks import networks, with_islands

import keras_alt
from keras_alt.export import ExportError
from keras_alt.targets import TARGETS

WIDTHS = st.one_of(st.just(8), st.integers(2, 16), st.none())
CONFIGURATIONS = st.fixed_dictionaries(
    {"target": st.sampled_from(sorted(TARGETS))},
    optional={
        **dict.fromkeys(("weights", "activations", "biases", "accumulators", "inputs"), WIDTHS),
        "first_and_last_weights": WIDTHS,
        "batch_norm": st.sampled_from(["fold", "train"]),
        "weight_scales": st.sampled_from(["tensor", "channel"]),
        "overrides": st.dictionaries(
            st.sampled_from(["conv*", "dense*", "*"]), st.just({"weights": 4}), max_size=1
        ),
        "skip": st.lists(st.sampled_from(["conv2d", "*dense", "*"]), max_size=1),
    },
)
SCALES = st.sampled_from([1.0, 1e-3, 1e3, 1e-12, 1e12, 1e-30, 1e30, 0.0])


@pytest.mark.full
def test_networks():
    models = st.one_of(networks(), with_islands())

    @attempt("networks", 2000, models, CONFIGURATIONS, SCALES, SCALES)
    def _(model, arguments, of_data, of_weights):
        keras.utils.set_random_seed(0)
        rng = np.random.default_rng(0)
        randomize(model, rng)
        for layer in model.layers:
            if hasattr(layer, "kernel"):
                layer.kernel.assign(layer.kernel * of_weights)
        x = (of_data * rng.normal(size=(6, *model.inputs[0].shape[1:]))).astype("float32")
        finite = all(np.isfinite(y).all() for y in keras.tree.flatten(model.predict_on_batch(x)))
        quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(**arguments), x)
        outputs = keras.tree.flatten(quantized.predict_on_batch(x))
        assert not finite or all(np.isfinite(y).all() for y in outputs)
        with contextlib.suppress(ExportError):  # without integers, or with float layers between
            assert keras_alt.verify(quantized, x, engine="integer", verbose=False)
