"""Products of codes of 16 bits are trained as integers have them."""

import keras
import numpy as np
import pytest
from conftest import gradients
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.certificate.document import certificate
from keras_alt.integer import arithmetic
from keras_alt.layers import QuantLeakyReLU, QuantPReLU
from keras_alt.layers.slope_product import rounded_product
from keras_alt.numerics.rounding import ROUNDINGS

CODES = np.arange(-(2**15), 2**15)
FACTORS = [1, 2, 255, 256, 257, 8191, 16384, 19661, 20973, 32441, 32767]


def codes(values, quantizer):
    return np.ldexp(np.asarray(values, np.float64), -quantizer.exponent).astype(np.int64)


def values(codes, quantizer):
    return np.ldexp(codes.astype(np.float32), quantizer.exponent)


def product(layer, slope, x):
    """Return the codes of the exact product, on the grid of the input."""
    format = layer.input_quantizer.format
    rules = {"rounding": layer.product_rounding, "low": format.qmin, "high": format.qmax}
    return arithmetic.requantize(slope * x, -layer.slope_quantizer.exponent, **rules)


@pytest.mark.parametrize("slope", [0.01, 0.1, 0.3, 0.99, 1.5, 63.7, 100.0])
def test_a_leaky_relu_is_exact_for_every_code(slope):
    layer = QuantLeakyReLU(slope, activation_bits=None)
    layer.build((None, 1))
    layer.input_quantizer.set_threshold(4.0)
    factor = codes(layer.slope_quantizer(np.float32(slope)), layer.slope_quantizer)
    y = layer(values(CODES, layer.input_quantizer)[:, None])[:, 0]
    expected = np.maximum(CODES, product(layer, factor, CODES))
    np.testing.assert_array_equal(codes(y, layer.input_quantizer), expected)


def prelu(slopes, threshold, **options):
    layer = QuantPReLU(activation_bits=None, **options)
    layer.build((None, len(slopes)))
    layer.input_quantizer.set_threshold(4.0)
    layer.slope_quantizer.set_threshold(threshold)
    layer.alpha.assign(values(slopes, layer.slope_quantizer))
    return layer


@pytest.mark.parametrize("threshold", [2.0**-20, 1.0, 2.0, 64.0, 128.0, 2.0**20])
@pytest.mark.parametrize("rounding", sorted(ROUNDINGS))
def test_a_prelu_is_exact_for_every_code_and_rounding(rounding, threshold):
    slopes = np.array([sign * factor for factor in FACTORS for sign in (1, -1)] + [-(2**15), 0])
    layer = prelu(slopes, threshold, product_rounding=rounding)
    x = np.broadcast_to(CODES[:, None], (len(CODES), len(slopes)))
    expected = np.maximum(x, 0) + product(layer, slopes, np.minimum(x, 0))
    y = layer(values(x, layer.input_quantizer))
    np.testing.assert_array_equal(codes(y, layer.input_quantizer), expected)


@pytest.mark.parametrize("compiled", [False, True])
def test_its_gradients_are_those_of_the_plain_product(compiled, rng):
    slopes = np.array([9830, -9830, 32767, 8191])  # 8,192 steps are 1
    layer = prelu(slopes, 4.0)
    x = -rng.integers(1, 2**13, (2**14, 4))
    inputs, alpha = values(x, layer.input_quantizer), values(slopes, layer.slope_quantizer)
    upstream = rng.normal(size=x.shape).astype(np.float32)

    def function(inputs, alpha):
        product = rounded_product(layer, alpha, inputs, True)
        return ops.sum(product * upstream)

    of_inputs, of_slopes = gradients(function, (inputs, alpha), compiled)[-2:]

    np.testing.assert_array_equal(of_inputs, upstream * alpha)
    np.testing.assert_allclose(of_slopes, (inputs * upstream).sum(0), rtol=1e-4, atol=1e-2)
    trained = layer(inputs, training=True)
    np.testing.assert_array_equal(codes(trained, layer.input_quantizer), product(layer, slopes, x))


@pytest.fixture(scope="module", params=["paper", "hls"])
def network(request):
    """A network in which an input of 16 bits meets a slope of 16 bits."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, L.LeakyReLU(0.3, name="leaky")(inputs))
    config = QuantizeConfig(target=request.param, inputs=16, activations=16)
    quantized = keras_alt.quantize_model(model, config)
    for quantizer in keras_alt.quantizers(quantized).values():
        if quantizer.role != "slope":
            quantizer.set_threshold(1.0)
    return quantized


@pytest.mark.parametrize("engine", ["integer", "qonnx"])
@pytest.mark.tensorflow_only
def test_engines_compute_every_code_of_training(engine, network):
    if engine == "qonnx":
        pytest.importorskip("qonnx", reason="the `onnx` extra is not installed")
    x = np.ldexp(CODES.astype(np.float32), -15)[:, None]
    found = keras_alt.verify(network, x, engine, batch_size=2**15, verbose=False)
    assert (found.total, found.mismatches) == (2**16, 0)


def test_the_product_is_proven(network):
    claimed = certificate(integer.read(network))
    assert claimed["open"] == []
    facts = [fact["text"] for layer in claimed["layers"] for fact in layer["rests_on"]]
    assert any("two halves" in text for text in facts)
