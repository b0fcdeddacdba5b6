"""Codes need float32: mixed precision gives way to it, and other precisions are refused."""

import contextlib

import keras
import models
import numpy as np
import pytest
from conftest import EAGER, pairs, sample
from keras import layers as L

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig
from keras_alt.integer import NotIntegerError
from keras_alt.layers import QuantConv2D, QuantDense, QuantLeakyReLU
from keras_alt.precision import SHORT
from keras_alt.quantizer import Quantizer, quantizers

MIXED = ("mixed_float16", "mixed_bfloat16")
BY_TURNS = pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.full)]
)
OTHERS = ("float16", "bfloat16", "float64")
FLOAT = dict.fromkeys(("kernel_bits", "bias_bits", "accumulator_bits", "activation_bits"))
REFUSED = r"are float32.*Received: dtype=.*Give the network `dtype='float32'`"


@pytest.fixture(autouse=True)
def usual_policy():
    """What follows a test has the usual precision again."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


LAYERS = pytest.mark.parametrize(
    "make",
    [
        lambda **rules: Quantizer(FixedPoint(8), initial_threshold=1.0, **rules),
        lambda **rules: QuantConv2D(4, 3, kernel_bits=8, **rules),
        lambda **rules: QuantDense(4, **{**FLOAT, "activation_bits": 8}, **rules),
        lambda **rules: QuantDense(4, **FLOAT, batch_norm={}, **rules),
        lambda **rules: QuantDense(4, sparse=True, **rules),
        lambda **rules: QuantLeakyReLU(**rules),
    ],
    ids=["quantizer", "convolution", "activation only", "batch norm only", "sparse", "leaky"],
)


@LAYERS
@pytest.mark.parametrize("policy", OTHERS)
def test_a_layer_of_another_precision_is_refused(make, policy):
    with pytest.raises(ValueError, match=REFUSED) as error:
        make(dtype=policy, name="mine")(keras.Input((8, 8, 3)))
    assert "layer 'mine'" in str(error.value)
    with pytest.raises(ValueError, match=REFUSED):
        make(dtype=policy)(np.ones((1, 8, 8, 3), "float32"))
    make(dtype="float32")(keras.Input((8, 8, 3)))


@pytest.mark.parametrize(("policy", "target"), pairs(OTHERS, ["paper", "litert"]))
def test_a_model_is_refused_until_it_is_float32(policy, target, rng):
    before = keras.config.dtype_policy()
    config = QuantizeConfig(target=target)
    keras.config.set_dtype_policy(policy)
    model = models.residual()
    with pytest.raises(ValueError, match=REFUSED):
        keras_alt.quantize_model(model, config)
    keras.config.set_dtype_policy(before)
    with pytest.raises(ValueError, match=REFUSED):
        keras_alt.quantize_model(model, config)

    for layer in model.layers:
        layer.dtype_policy = "float32"
    x = sample(model, rng)
    assert keras_alt.verify(keras_alt.quantize_model(model, config, calibration_data=x), x)


@pytest.mark.parametrize("batch_norm", ["fold", "train"])
@pytest.mark.parametrize("policy", OTHERS)
def test_one_layer_of_another_precision_is_enough(policy, batch_norm):
    x = inputs = keras.Input((8, 8, 3))
    x = L.BatchNormalization()(L.Conv2D(3, 3, padding="same")(x))
    last = L.Conv2D(3, 3, name="last")
    model = keras.Model(inputs, last(L.Add(name="sum")([x, inputs])))
    for name in ("last", "sum"):
        model.get_layer(name).dtype_policy = policy
        with pytest.raises(ValueError, match=f"Received: dtype=.*layer '{name}'"):
            keras_alt.quantize_model(model, QuantizeConfig(batch_norm=batch_norm))
        model.get_layer(name).dtype_policy = "float32"
    keras_alt.quantize_model(model, QuantizeConfig(batch_norm=batch_norm))


@pytest.mark.parametrize("policy", [*MIXED, *OTHERS])
def test_a_layer_without_widths_is_its_twin(policy, rng):
    x = rng.normal(size=(2, 3))
    quant, twin = QuantDense(4, **FLOAT, dtype=policy), L.Dense(4, dtype=policy)
    for layer in (quant, twin):
        layer.build((None, 3))
    quant.set_weights(twin.get_weights())
    leaky = QuantLeakyReLU(0.3, internal_bits=None, activation_bits=None, dtype=policy)
    for a, b in ((quant, twin), (leaky, L.LeakyReLU(0.3, dtype=policy))):
        np.testing.assert_array_equal(numbers(a(x)), numbers(b(x)))


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


@pytest.mark.backend
@LAYERS
@pytest.mark.parametrize("policy", MIXED)
def test_a_layer_computes_codes_in_float32_under_a_mixed_policy(make, policy, rng):
    x = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    layer, plain = make(dtype=policy), make(dtype="float32")
    for each in (layer, plain):
        each.build(x.shape)
    plain.set_weights(layer.get_weights())
    for training in (False, True):
        y = layer(x, training=training)
        assert keras.backend.standardize_dtype(y.dtype) == "float32"
        np.testing.assert_array_equal(numbers(y), numbers(plain(x, training=training)))
    again = type(layer).from_config(layer.get_config())
    assert again.dtype_policy.name == policy
    assert again(keras.Input((8, 8, 3))).dtype == "float32"


MAKERS = (
    *(models.residual, models.operators),
    *(
        pytest.param(make, marks=pytest.mark.full)
        for make in (models.kinds_of_layers, models.float_inside, models.nested, models.two_outputs)
    ),
)


@pytest.mark.backend
@BY_TURNS
@pytest.mark.parametrize("make", MAKERS)
def test_a_model_of_mixed_precision_is_quantized_as_its_twin(make, policy, rng):
    with under("float32"):
        plain = make()
        x = sample(plain, rng)
        expected = keras_alt.quantize_model(plain, calibration_data=x)
    with under(policy):
        mixed = make()
        mixed.set_weights(plain.get_weights())
        results = [keras_alt.quantize_model(model, calibration_data=x) for model in (mixed, plain)]
        assert keras.config.dtype_policy().name == policy
    for q in results:
        assert {layer.dtype_policy.name for layer in q.layers} == {"float32"}
        assert q.dtype_policy.name == "float32"
        for a, b in zip(q.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(numbers(a), numbers(b), err_msg=a.path)
        for a, b in zip(*(keras.tree.flatten(m(x)) for m in (q, expected)), strict=True):
            np.testing.assert_array_equal(numbers(a), numbers(b))
    assert any(getattr(layer, "compute_dtype", "") in SHORT for layer in mixed._flatten_layers())


@pytest.mark.backend
def test_casts_between_floats_are_left_out(rng):
    x = inputs = keras.Input((8, 8, 3))
    x = keras.ops.cast(L.Conv2D(4, 3, dtype="mixed_bfloat16")(x), "float32")
    x = keras.ops.cast(keras.ops.relu(L.Conv2D(4, 3)(x)), "float32")
    model = keras.Model(inputs, x)
    q = keras_alt.quantize_model(model, calibration_data=sample(model, rng))
    assert keras_alt.report(q).floats == []
    assert q.output_names == model.output_names
    assert keras_alt.verify(q, sample(model, rng), engine="integer", verbose=False)


def handmade(pool="float32"):
    x = inputs = keras.Input((4, 4, 3))
    x = Quantizer(FixedPoint(8))(x)
    x = QuantConv2D(4, 3, padding="same", activation="relu", sparse=True)(x)
    x = L.Flatten(dtype="float32")(L.MaxPooling2D(2, dtype=pool)(x))
    return keras.Model(inputs, QuantDense(3, batch_norm={})(x))


@pytest.mark.backend
@BY_TURNS
def test_a_handmade_model_trains_under_a_mixed_policy(policy, rng, tmp_path):
    x, y = rng.normal(size=(16, 4, 4, 3)).astype("float32"), rng.integers(0, 3, 16)
    with under(policy):
        q = handmade()
        keras_alt.calibrate(q, x, verbose=False)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        q.compile(keras_alt.optimizers.alt(1e-3), loss, run_eagerly=EAGER)
        is_scaled = isinstance(q.optimizer, keras.optimizers.LossScaleOptimizer)
        assert is_scaled == (policy == "mixed_float16")
        before = thresholds(q)
        callbacks = [keras_alt.callbacks.FreezeBatchNorm(1), keras_alt.callbacks.FreezeThresholds()]
        q.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
        assert (thresholds(q) != before).any()
        assert all(numbers(quantizer.frozen) for quantizer in quantizers(q).values())
        assert keras_alt.verify(q, x, engine="integer", verbose=False)
        q.save(tmp_path / "q.keras")
        again = keras.models.load_model(tmp_path / "q.keras")
        again.fit(x, y, batch_size=8, verbose=0)
        np.testing.assert_array_equal(thresholds(again), thresholds(q))
    plain = keras.models.load_model(tmp_path / "q.keras", compile=False)
    assert keras_alt.verify(plain, x, engine="integer", verbose=False)
    np.testing.assert_array_equal(numbers(plain(x)), numbers(q(x)))


@BY_TURNS
def test_a_sequential_that_rounds_its_inputs_is_refused(policy, rng):
    x = rng.normal(size=(8, 3)).astype("float32")
    with under(policy):
        q = keras.Sequential([keras.Input((3,)), Quantizer(FixedPoint(8)), QuantDense(3)])
    keras_alt.calibrate(q, x, verbose=False)
    with pytest.raises(NotIntegerError, match=r"Received: dtype_policy='mixed_.*model"):
        keras_alt.verify(q, x, engine="integer", verbose=False)
    q.dtype_policy = "float32"
    assert keras_alt.verify(q, x, engine="integer", verbose=False)


@pytest.mark.backend
def test_an_overflow_moves_no_threshold(rng):
    optimizer = keras.optimizers.LossScaleOptimizer(keras_alt.optimizers.alt())
    names = ("log2_threshold", "log2_threshold", "kernel")
    values = [keras.Variable(v, name=n) for v, n in zip((1.0, 2.0, 3.0), names, strict=True)]
    optimizer.build(values)
    inner = optimizer.inner_optimizer.threshold_optimizer
    scale = float(optimizer.dynamic_scale)
    for gradients in ([scale, 0.0, scale], [np.inf, 1.0, 1.0], [np.nan, 1.0, 1.0]):
        apply(optimizer, values, [keras.ops.convert_to_tensor(g, "float32") for g in gradients])
    np.testing.assert_array_equal(numbers(inner.gradient_sums), [1.0, 0.0])
    assert float(values[0]) < 1.0 and float(values[1]) == 2.0 and float(values[2]) < 3.0
    assert float(optimizer.dynamic_scale) == scale / 4


@pytest.mark.parametrize("policy", MIXED)
def test_codes_in_16_bits_are_refused(policy, rng):
    with under("float32"):
        q = handmade(pool=policy)
    x = rng.normal(size=(4, 4, 4, 3)).astype("float32")
    keras_alt.calibrate(q, x, verbose=False)
    with pytest.raises(NotIntegerError, match=r"compute in float32.*layer 'max_pooling2d'"):
        keras_alt.verify(q, x, engine="integer", verbose=False)
    with pytest.raises(ValueError, match=REFUSED):
        QuantDense(2)(L.Flatten(dtype=policy)(keras.Input((2, 2))))


@pytest.mark.tensorflow_only
@BY_TURNS
def test_a_float_layer_may_be_mixed_between_quantizers(policy, rng, tmp_path):
    model = models.float_inside()
    x = sample(model, rng)
    config = QuantizeConfig(target="litert")
    q = keras_alt.quantize_model(model, config, calibration_data=x)
    q.get_layer("layer_normalization").dtype_policy = policy
    q.save(tmp_path / "q.keras")
    again = keras.models.load_model(tmp_path / "q.keras")
    assert again.get_layer("layer_normalization").output.dtype == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(numbers(again(x)), numbers(q(x)))
    for result in (q, again):
        assert keras_alt.verify(result, x, engine="litert", verbose=False).mismatches == 0


@pytest.mark.parametrize("function", ["quantize_model", "equalize", "refresh_batch_norm"])
def test_weights_that_keras_has_rounded_are_refused(function):
    model = keras.Sequential([keras.Input((8,)), L.Dense(8, name="first"), L.Dense(4)])
    model.layers[0].quantize("int8")
    with pytest.raises(ValueError, match=rf"`{function}`.*'int8_from_float32', layer 'first'"):
        getattr(keras_alt, function)(model, **({} if function != "refresh_batch_norm" else X))
    layer = QuantDense(2, dtype="int8_from_float32", name="mine")
    with pytest.raises(ValueError, match=r"dtype_policy='int8_from_float32', layer 'mine'"):
        layer(keras.Input((3,)))


X = {"data": np.ones((4, 8), "float32")}


@BY_TURNS
def test_float_transforms_keep_a_mixed_policy(policy, rng):
    with under(policy):
        model = models.residual()
        x = sample(model, rng)
        refreshed = keras_alt.refresh_batch_norm(model, x, verbose=False)
        equalized = keras_alt.equalize(refreshed, x, verbose=False)
    for result in (refreshed, equalized):
        kernels = [layer for layer in result.layers if isinstance(layer, L.Conv2D)]
        assert {layer.dtype_policy.name for layer in kernels} == {policy}
    assert keras_alt.verify(
        keras_alt.quantize_model(equalized, calibration_data=x), x, engine="integer", verbose=False
    )


@BY_TURNS
def test_unrolled_steps_keep_a_mixed_policy(policy, rng):
    with under(policy):
        model = keras.Sequential([keras.Input((3, 4)), L.LSTM(5), L.Dense(2)])
        unrolled = keras_alt.unroll(model)
    assert {layer.dtype_policy.name for layer in unrolled.layers[1:]} == {policy}
    x = sample(model, rng)
    q = keras_alt.quantize_model(unrolled, calibration_data=x)
    assert keras_alt.verify(q, x, engine="integer", verbose=False)


@contextlib.contextmanager
def under(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    yield
    keras.config.set_dtype_policy(before)


def thresholds(q):
    values = [numbers(quantizer.log2_threshold) for quantizer in quantizers(q).values()]
    return np.array(values)


def apply(optimizer, variables, gradients):
    """Take a step as Keras' trainer does."""
    if keras.backend.backend() != "jax":
        optimizer.apply(gradients)
        return
    state = optimizer.variables
    before = [variable.value for variable in state], [variable.value for variable in variables]
    trained, new = optimizer.stateless_apply(before[0], gradients, before[1])
    for variable, value in zip([*variables, *state], [*trained, *new], strict=True):
        variable.assign(value)
