"""A file computes the model's integers with TFLM and with LiteRT's reference kernels."""

import subprocess
import sys

import keras
import layer_zoo
import numpy as np
import pytest
from conftest import EAGER
from exported import assert_exact, assert_refused, quantized, small
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L
from random_networks import FEW_NETWORKS, quantized_networks
from test_litert_reductions import FORMATS, cells_of_ties, network

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig, integer
from keras_alt.engines.tflm.arena import arena_bytes
from keras_alt.export import ExportError, to_litert
from keras_alt.numerics import rounding

pytest.importorskip("ai_edge_litert", reason="the `litert` extra is not installed")
pytest.importorskip("tflite_micro", reason="the `tflm` extra is not installed")
pytestmark = pytest.mark.tensorflow_only
ENGINES = ("tflm", "litert-reference")
# Of 32 bits, TFLM gathers and sums no integers, so a softmax between kernels stays float.
FEW = (
    *("conv2d_groups", "depthwise_strided", "dense", "add", "subtract", "average_pool_signed"),
    *("global_average", "multiply_by_channels", "matmul_of_unsigned", "bilinear", "leaky_relu"),
    *("prelu", "capped_relu", "concatenate", "inner_sigmoid", "transposed_wide"),
)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("size", "names"),
    [
        pytest.param((6, 6, 4), (), marks=pytest.mark.full),
        ((6, 6, 4), FEW),
        pytest.param((8, 4), (), marks=pytest.mark.full),
        pytest.param((3, 4, 5, 2), (), marks=pytest.mark.full),
    ],
    ids=["images", "few", "lines", "volumes"],
)
def test_every_layer_is_exact(size, names, engine, rng):
    network = layer_zoo.network(*names, size=size, target="tflm")
    assert_exact(*quantized(network, rng, "tflm"), engine)


@FEW_NETWORKS
@given(quantized_networks(st.just("tflm"), activations=st.just(8)))
def test_random_networks_are_exact(drawn):
    model, x = drawn
    reading = keras_alt.integer.read(model)
    if reading.island_layers:
        return  # a softmax or a sum that stays float
    # TFLM has not every float layer that may lie at the ends, such as an ELU.
    lacking = {"tflm"} if reading.entry_layers or reading.exit_layers else set()
    for engine in ("integer", *ENGINES):
        if engine not in lacking:
            assert_exact(model, x, engine)


def test_the_first_rounding_is_half_up_and_the_second_half_away():
    """Halves of the doubled step go up, halves of the output's step away from zero."""
    codes = np.arange(-4096, 4096)
    for shift in range(-2, 8):
        step = 2.0**-shift
        z = keras.ops.convert_to_tensor((codes * step).astype("float32"))
        simulated = keras.ops.convert_to_numpy(
            rounding.double(z, FixedPoint(8), keras.ops.convert_to_tensor(step, "float32"))
        )
        bounds = {"low": -(2**31), "high": 2**31}
        computed = integer.arithmetic.requantize(codes, shift, "double", **bounds)
        np.testing.assert_array_equal(simulated, computed)
        if shift >= 1:
            first = (codes + 1) >> 1
            away = np.trunc(first / 2.0 ** (shift - 1) + np.copysign(0.5, first))
            np.testing.assert_array_equal(computed, away)


@FEW_NETWORKS
@given(st.integers(2, 147), st.sampled_from(FORMATS), st.integers(-3, 7))
def test_every_tie_of_a_mean_is_exact(cells, formats, shift):
    codes = cells_of_ties(cells, formats, shift)
    mean = L.GlobalAveragePooling1D()
    model = network(mean, codes.shape, formats, shift, target="tflm")
    for engine in ("integer", *ENGINES):
        assert_exact(model, codes[None].astype("float32"), engine)


def test_floats_are_quantized_half_away_from_zero(rng):
    inputs = keras.Input((4, 4, 3))
    x = L.Dense(4, name="head")(L.Rescaling(0.5, name="half")(inputs))
    model = keras_alt.quantize_model(keras.Model(inputs, x), QuantizeConfig(target="tflm"))
    x = rng.integers(-255, 256, (16, 4, 4, 3)).astype("float32")
    keras_alt.calibrate(model, x, verbose=False)
    keras_alt.quantizers(model)["half/output"].set_threshold(128.0)  # a step of 1
    for engine in ("integer", *ENGINES):
        assert_exact(model, x, engine)


def test_a_trained_network_is_exact_and_comes_back_from_files(rng, tmp_path):
    network = layer_zoo.network("dense", "leaky_relu", "global_average")
    model, x = quantized(network, rng, "tflm")
    model.compile(keras_alt.optimizers.alt(batch_size=16), "mse", run_eagerly=EAGER)
    model.fit(x, [np.zeros((16, *t.shape[1:])) for t in model.outputs], verbose=0)
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        assert_exact(keras.models.load_model(tmp_path / name, compile=False), x, "tflm")
    there = keras_alt.retarget(model, "litert", calibration_data=x)
    assert_exact(keras_alt.retarget(there, "tflm", calibration_data=x), x, "tflm")


def test_the_gradient_is_that_of_the_method():
    """A rounding that knows a grid so fine that it never matters changes no gradient."""
    format, t = FixedPoint(8), np.float32(0.3)
    x = np.random.default_rng(0).normal(size=1000).astype("float32")

    def gradients(**rules):
        import tensorflow as tf

        values = [tf.Variable(x), tf.Variable(t)]
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(keras_alt.fake_quant(*values, format, **rules) * x)
        return [g.numpy() for g in tape.gradient(y, values)]

    for ours, plain in zip(gradients(rounding="double", exponent=-40.0), gradients(), strict=True):
        np.testing.assert_array_equal(ours, plain)


def test_a_softmax_between_kernels_stays_float_and_is_refused(rng):
    model, x = quantized(layer_zoo.network("inner_softmax"), rng, "tflm")
    (row,) = [row for row in keras_alt.report(model).floats if "softmax" in row.name]
    assert "target 'tflm' has no integer form" in row.reason
    with pytest.raises(ValueError, match="float layers softmax"):
        keras_alt.verify(model, x, engine="tflm", verbose=False)


def test_means_that_float32_does_not_tell_are_refused(rng, tmp_path):
    model, _ = quantized(
        keras.Sequential([keras.Input((56, 56, 1)), L.GlobalAveragePooling2D(name="mean")]),
        rng,
        "tflm",
    )
    for quantizer in keras_alt.quantizers(model).values():
        quantizer.set_threshold(4.0)
    assert_refused(to_litert, model, tmp_path, "mean 'mean.*3136 cells")


def test_sums_that_engines_shift_beyond_32_bits_are_refused(rng, tmp_path):
    model, _ = small(rng, "tflm")
    keras_alt.quantizers(model)["head/output"].set_threshold(2.0**-30)
    assert_refused(to_litert, model, tmp_path, "'head.*lie too far apart", ExportError)


def test_an_unknown_grid_is_refused():
    layer = keras_alt.layers.QuantDense(3, target="tflm", use_bias=False)
    with pytest.raises(ValueError, match="input_exponent"):
        layer(np.zeros((1, 4), "float32"))


def test_the_arena_is_told(rng, tmp_path):
    model, _ = small(rng, "tflm")
    assert 500 < arena_bytes(to_litert(model, tmp_path / "model.tflite")) < 20_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bundle_repeats_the_proof(engine, rng, tmp_path):
    model, x = small(rng, "tflm")
    keras_alt.verify(model, x, engine=engine, bundle=tmp_path / "proof", verbose=False)
    process = subprocess.run(
        [sys.executable, "verify.py"], cwd=tmp_path / "proof", capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("0 of 48 codes differ")
