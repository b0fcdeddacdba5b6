"""One table runs every Quant layer against its Keras twin."""

import keras
import numpy as np
import pytest
from conftest import EAGER, assert_same_outputs, pairs
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import layers as Q
from keras_alt import quantizers
from keras_alt.activations import NEVER_NEGATIVE
from keras_alt.quantizer import quantizers_of

pytestmark = pytest.mark.backend

IMAGE, LINE = (2, 8, 8, 4), (2, 8, 4)
TABLE = {
    "conv1d causal": (
        L.Conv1D,
        Q.QuantConv1D,
        (3, 3),
        {"padding": "causal", "dilation_rate": 2},
        (2, 8, 4),
    ),
    "conv2d": (L.Conv2D, Q.QuantConv2D, (6, 3), {"activation": "relu"}, IMAGE),
    "conv2d strided": (L.Conv2D, Q.QuantConv2D, (6, 3), {"strides": 2, "padding": "same"}, IMAGE),
    "conv2d dilated": (
        L.Conv2D,
        Q.QuantConv2D,
        (6, 2),
        {"dilation_rate": 2, "use_bias": False},
        IMAGE,
    ),
    "transposed": (L.Conv2DTranspose, Q.QuantConv2DTranspose, (3, 2), {"strides": 2}, IMAGE),
    "conv3d": (L.Conv3D, Q.QuantConv3D, (3, 2), {"padding": "same"}, (2, 4, 5, 6, 2)),
    "transposed 1d": (L.Conv1DTranspose, Q.QuantConv1DTranspose, (3, 2), {"strides": 2}, LINE),
    "depthwise 1d": (L.DepthwiseConv1D, Q.QuantDepthwiseConv1D, (3,), {"dilation_rate": 2}, LINE),
    "depthwise": (L.DepthwiseConv2D, Q.QuantDepthwiseConv2D, (3,), {"depth_multiplier": 2}, IMAGE),
    "separable": (
        L.SeparableConv2D,
        Q.QuantSeparableConv2D,
        (5, 3),
        {"activation": "relu6"},
        IMAGE,
    ),
    "dense": (L.Dense, Q.QuantDense, (5,), {"activation": "tanh"}, (2, 4)),
    "dense on images": (L.Dense, Q.QuantDense, (5,), {}, IMAGE),
}
WIDTHS = ("kernel_bits", "bias_bits", "accumulator_bits", "activation_bits")
FLOAT = dict.fromkeys(WIDTHS)


@pytest.fixture(params=TABLE.values(), ids=TABLE.keys())
def row(request):
    return request.param


def loss_gradients(layer, x):
    """Return the gradient of sum(layer(x)**2) for each variable, through one step of SGD."""
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    before = [w.copy() for w in layer.get_weights()]
    model.compile(keras.optimizers.SGD(1.0), keras.losses.MeanSquaredError())
    model.train_on_batch(x, np.zeros(model.compute_output_shape(x.shape), "float32"))
    return [b - a for b, a in zip(before, layer.get_weights(), strict=True)]


def test_without_widths_it_is_its_twin(row, rng):
    plain, quant, args, kwargs, shape = row
    a = plain(*args, **kwargs, bias_initializer="ones")
    b = quant(*args, **kwargs, bias_initializer="ones", **FLOAT)
    x = rng.normal(size=shape).astype("float32")
    a(x), b(x)
    b.set_weights(a.get_weights())

    np.testing.assert_array_equal(ops.convert_to_numpy(a(x)), ops.convert_to_numpy(b(x)))
    assert a.compute_output_shape(shape) == b.compute_output_shape(shape)
    for p, q in zip(loss_gradients(a, x), loss_gradients(b, x), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-7)


def test_the_configuration_adds_only_widths(row):
    plain, quant, args, kwargs, _ = row
    a, b = plain(*args, **kwargs), quant(*args, **kwargs)
    assert set(b.get_config()) - set(a.get_config()) == set(WIDTHS)
    assert quant.from_config(b.get_config()).get_config() == b.get_config()


OTHER_WIDTHS = ({"kernel_bits": 4}, {"activation_bits": None}, {"bias_bits": 8})
TRAINED = [(name, {}) for name in TABLE]
TRAINED_AT_OTHER_WIDTHS = pairs(("conv2d", "depthwise", "separable"), OTHER_WIDTHS)


@pytest.mark.parametrize(("name", "widths"), TRAINED + TRAINED_AT_OTHER_WIDTHS)
def test_a_layer_written_by_hand_trains_and_reloads(name, widths, rng, tmp_path):
    _, quant, args, kwargs, shape = TABLE[name]
    x = rng.normal(size=shape).astype("float32")
    model = keras.Sequential([keras.Input(shape[1:]), quant(*args, **kwargs, **widths)])
    thresholds = quantizers(model)
    assert thresholds
    assert all(q.calibrated for q in thresholds.values())
    before = [q.threshold for q in thresholds.values()]

    model.compile(
        keras_alt.optimizers.alt(1e-3, 1e-2),
        keras.losses.MeanSquaredError(),
        run_eagerly=EAGER,
    )
    model.fit(x, np.zeros(model.compute_output_shape(shape)), epochs=2, verbose=0)

    assert [q.threshold for q in thresholds.values()] != before
    for file in ("model.keras", "model.h5"):
        model.save(tmp_path / file)
        assert_same_outputs(model, keras.models.load_model(tmp_path / file, compile=False), x)


def test_outputs_lie_on_the_grid(row, rng):
    _, quant, args, kwargs, shape = row
    layer = quant(*args, **kwargs)
    y = ops.convert_to_numpy(layer(rng.normal(size=shape).astype("float32")))
    codes = y / 2.0**layer.activation_quantizer.exponent
    np.testing.assert_array_equal(codes, np.rint(codes))


def test_a_layer_is_built_when_it_is_first_called(rng):
    model = keras.Sequential(
        [Q.QuantConv2D(4, 3, activation="relu6"), L.Flatten(), Q.QuantDense(3)]
    )
    model.compile("sgd", keras.losses.MeanSquaredError())
    model.fit(rng.normal(size=(4, 6, 6, 2)), np.zeros((4, 3)), verbose=0)
    found = quantizers(model)
    assert all(q.calibrated for q in found.values())
    assert abs(found["quant_conv2d/activation"].threshold - 6) < 0.1


def test_accumulator_and_bias_share_a_threshold_of_equal_widths():
    layer = Q.QuantDense(3)
    layer.build((None, 4))
    assert layer.bias_quantizer is layer.accumulator_quantizer
    assert len(quantizers_of(layer)) == len({id(q) for q in quantizers_of(layer)})
    other = Q.QuantDense(3, bias_bits=8)
    other.build((None, 4))
    assert other.bias_quantizer is not other.accumulator_quantizer


def test_integer_example():  # check 55
    layer = Q.QuantDense(1, activation="relu", use_bias=True)
    layer.build((None, 3))
    layer.set_weights(
        [np.array([[0.5], [-0.25], [0.3]]), np.array([0.1]), *layer.get_weights()[2:]]
    )
    for name, threshold in (("kernel", 0.5), ("accumulator", 1), ("activation", 1)):
        getattr(layer, f"{name}_quantizer").set_threshold(threshold)
    x = np.array([[255, 128, 32]]) / 256.0  # codes of [1, .5, .125] in uint8 with threshold 1

    kernel = ops.convert_to_numpy(layer.kernel_quantizer(layer.kernel))
    np.testing.assert_array_equal(kernel[:, 0] * 2**8, [127, -64, 77])
    assert (x[0] * 256) @ (kernel[:, 0] * 256) == 26657
    accumulator = 13328  # 26657 * 2**-16 on a grid of 2**-15, a tie, to even
    bias = 3277
    code = int(np.rint((accumulator + bias) / 2**7))
    assert code == 130
    assert float(layer(x.astype("float32"))[0, 0]) == code / 256 == 0.5078125


def test_leaky_relu_without_widths_is_its_twin(rng):
    x = rng.normal(size=(4, 5)).astype("float32")
    a = L.LeakyReLU(negative_slope=0.1)(x)
    b = Q.QuantLeakyReLU(0.1, internal_bits=None, activation_bits=None)(x)
    np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


@pytest.mark.parametrize("activation", NEVER_NEGATIVE)
def test_an_output_that_is_never_negative_has_unsigned_codes(activation):
    assert not Q.QuantDense(2, activation=activation).activation_quantizer.format.signed


def test_a_nameless_activation_is_computed_in_front_of_its_quantizer(rng):
    layer = Q.QuantDense(2, activation=L.Rescaling(0.0, offset=0.25))
    y = layer(rng.normal(size=(3, 4)).astype("float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(y), np.full((3, 2), 0.25))


def test_product_bias_wants_the_scale_of_the_input(rng):
    layer = Q.QuantDense(3, target="litert")
    with pytest.raises(ValueError, match="expects the input's scale exponent"):
        layer(rng.normal(size=(2, 4)).astype("float32"))


def test_litert_kernels_are_narrow_and_biases_on_the_product_grid(rng):
    layer = Q.QuantDense(3, target="litert", bias_initializer="random_normal", activation_bits=None)
    x = np.zeros((1, 4), "float32")
    bias = ops.convert_to_numpy(layer(x, input_exponent=np.float32(-7)))[0]
    codes = bias / 2.0 ** (layer.kernel_quantizer.exponent - 7)
    np.testing.assert_array_equal(codes, np.rint(codes))
    assert layer.kernel_quantizer.format.qmin == -127


def numbers(tensor):
    return tensor if tensor is None else ops.convert_to_numpy(tensor)


class TestFoldedBatchNorm:
    def layer(self, **norm):
        layer = Q.QuantDense(
            1,
            use_bias=False,
            batch_norm={"epsilon": 1e-3, **norm},
            kernel_bits=None,
            accumulator_bits=None,
            bias_bits=None,
            activation_bits=None,
        )
        layer.build((None, 1))
        for name, value in (
            ("gamma", 2),
            ("beta", 0.5),
            ("moving_mean", 1),
            ("moving_variance", 3),
        ):
            getattr(layer.batch_norm, name).assign([value])
        return layer

    def test_values(self):  # checks 51, 52
        norm = self.layer().batch_norm
        factor, bias, correction = map(numbers, norm(None))
        np.testing.assert_allclose([factor[0], factor[0] * 0.7], [1.15450814, 0.8081557], rtol=1e-6)
        np.testing.assert_allclose(bias[0], -0.65450814, rtol=1e-6)
        assert correction is None
        # Mean 1.2 and population variance 2.49787415, which is 2.5 * 1175 / 1176.
        deviation = np.sqrt(2.49787415)
        batch = np.array([[1.2 + deviation], [1.2 - deviation]], "float32")
        factor, bias, correction = map(numbers, norm(batch))
        np.testing.assert_allclose(correction[0], 1.09587446, rtol=1e-6)
        np.testing.assert_allclose(bias[0], -1.01823518, rtol=1e-6)
        np.testing.assert_allclose(factor[0] * 0.7 * correction[0], 0.88563719, rtol=1e-6)

    def test_training_is_batch_normalization(self, rng):
        layer = self.layer()
        x = rng.normal(1, 2, (64, 1)).astype("float32")
        expected = L.BatchNormalization(epsilon=1e-3)
        expected.build((None, 1))
        expected.set_weights([np.array([v], "float32") for v in (2, 0.5, 1, 3)])
        raw = x @ ops.convert_to_numpy(layer.kernel)
        np.testing.assert_allclose(
            ops.convert_to_numpy(layer(x, training=True)),
            ops.convert_to_numpy(expected(raw, training=True)),
            rtol=1e-4,
            atol=1e-5,
        )
        for name in ("moving_mean", "moving_variance"):
            np.testing.assert_allclose(
                ops.convert_to_numpy(getattr(layer.batch_norm, name).value),
                ops.convert_to_numpy(getattr(expected, name).value),
                rtol=1e-5,
            )

    def test_frozen_training_is_inference(self, rng):  # checks 53, 60
        layer = self.layer()
        layer.batch_norm.statistics_frozen.assign(True)
        x = rng.normal(1, 2, (64, 1)).astype("float32")
        before = layer.batch_norm.get_weights()
        np.testing.assert_array_equal(
            ops.convert_to_numpy(layer(x, training=True)), ops.convert_to_numpy(layer(x))
        )
        for a, b in zip(before, layer.batch_norm.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_weights_are_quantized_after_folding(self):  # check 54
        layer = Q.QuantDense(1, use_bias=False, batch_norm={})
        layer.build((None, 1))
        layer.batch_norm.gamma.assign([64.0])
        ((quantizer, value),) = layer.constants()
        assert quantizer is layer.kernel_quantizer
        np.testing.assert_allclose(
            ops.convert_to_numpy(value),
            64 / np.sqrt(1.001) * ops.convert_to_numpy(layer.kernel),
            rtol=1e-6,
        )

    def test_only_the_kernel_of_the_sum_is_folded(self):
        layer = Q.QuantSeparableConv2D(5, 3, use_bias=False, batch_norm={})
        layer.build((None, 8, 8, 4))
        layer.batch_norm.gamma.assign([64.0] * 5)
        (_, depthwise), (_, pointwise) = layer.constants()
        np.testing.assert_array_equal(
            ops.convert_to_numpy(depthwise), ops.convert_to_numpy(layer.depthwise_kernel)
        )
        np.testing.assert_allclose(
            ops.convert_to_numpy(pointwise),
            64 / np.sqrt(1.001) * ops.convert_to_numpy(layer.pointwise_kernel),
            rtol=1e-6,
        )
