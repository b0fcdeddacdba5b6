"""Calibration sets every threshold in one walk (spec checks 31-38)."""

import keras
import models
import numpy as np
import pytest
from conftest import randomize, rule_name, sample
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.calibration import Histogram, batches, kl_j, maximum, mse, percentile, three_sigma
from keras_alt.quantizer import quantizers


def small():
    """Two convolutions and a dense layer, for most tests look at one threshold."""
    x = inputs = keras.Input((8, 8, 3))
    x = models.conv_block(models.conv_block(x, 4), 4)
    return keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(x)))


@pytest.fixture
def model(rng):
    return keras_alt.quantize_model(randomize(small(), rng))


@pytest.fixture
def x(rng):
    return rng.normal(size=(16, 8, 8, 3)).astype("float32")


def calibrate(model, data, **kwargs):
    return keras_alt.calibrate(model, data, verbose=False, **kwargs)


@pytest.mark.backend
def test_every_threshold_is_set(model, x):
    thresholds = calibrate(model, x)
    assert thresholds == {name: q.threshold for name, q in quantizers(model).items()}
    assert all(np.isfinite(list(thresholds.values())))


@pytest.mark.parametrize("rule", [maximum, three_sigma, percentile(99), kl_j, mse], ids=rule_name)
def test_weights_and_activations_have_rules_of_their_own(model, x, rule):
    thresholds = calibrate(model, x, weights=rule)
    layer = model.get_layer("conv2d_1")
    histogram = Histogram()
    histogram.update(keras.ops.convert_to_numpy(layer.kernel))
    expected = rule(histogram, layer.kernel_quantizer.format)
    assert thresholds["conv2d_1/kernel"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.backend
def test_upstream_quantizers_are_active(x):  # check 35
    inputs = keras.Input((4,), name="x")
    y = L.Dense(4, use_bias=False, kernel_initializer="identity", name="a")(inputs)
    model = keras.Model(
        inputs, L.Dense(4, use_bias=False, kernel_initializer="identity", name="b")(y)
    )
    q = keras_alt.quantize_model(
        model, QuantizeConfig(weights=None, accumulators=None, first_and_last_weights=None)
    )
    data = np.linspace(-1, 1, 64).reshape(16, 4).astype("float32")
    quantizers(q)["x/input"].set_threshold(0.5)
    quantizers(q)["x/input"].frozen.assign(True)
    thresholds = calibrate(q, data, activations=maximum)
    assert thresholds["a/output"] == 0.5


@pytest.mark.backend
def test_a_shared_threshold_sees_all_its_tensors(rng):  # check 36
    inputs = keras.Input((4,), name="x")
    a = L.Dense(3, use_bias=False, name="a")(inputs)
    b = L.Dense(3, use_bias=False, name="b")(inputs)
    model = keras.Model(inputs, L.Add(name="sum")([a, b]))
    model.get_layer("a").set_weights([0.1 * np.ones((4, 3))])
    model.get_layer("b").set_weights([np.ones((4, 3))])
    data = np.ones((8, 4), "float32")
    q = keras_alt.quantize_model(model)
    thresholds = calibrate(q, data, activations=maximum)
    assert thresholds["sum/inputs"] == pytest.approx(4, rel=0.02)
    assert "a/output" not in thresholds


def test_static_weights_take_the_maximum(model, x):  # check 31
    thresholds = calibrate(model, x)
    kernel = keras.ops.convert_to_numpy(model.get_layer("conv2d_1").kernel)
    assert thresholds["conv2d_1/kernel"] == pytest.approx(np.abs(kernel).max(), rel=1e-6)


@pytest.mark.backend
def test_batch_norms_do_not_change(rng, x):  # check 38
    q = keras_alt.quantize_model(randomize(small(), rng), QuantizeConfig(batch_norm="train"))
    norm = q.get_layer("conv2d").batch_norm
    before = norm.get_weights()
    calibrate(q, x)
    for a, b in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.backend
def test_weights_do_not_change(model, x):
    kernel = model.get_layer("conv2d").get_weights()[0]
    calibrate(model, x)
    np.testing.assert_array_equal(model.get_layer("conv2d").get_weights()[0], kernel)


class Batches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.x[4 * index : 4 * index + 4], np.zeros(4)


@pytest.mark.backend
@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x,
        lambda x: [x],
        lambda x: (x, np.zeros(16)),
        lambda x: (x, np.zeros(16), np.ones(16)),
        lambda x: ((x[i : i + 4], np.zeros(4)) for i in range(0, 16, 4)),
        lambda x: keras.ops.convert_to_tensor(x),
        Batches,
    ],
    ids=["array", "list", "(x, y)", "(x, y, w)", "generator", "tensor", "PyDataset"],
)
def test_data_is_taken_as_in_fit(model, x, wrap):
    expected = calibrate(model, x)
    assert calibrate(model, wrap(x), batch_size=8) == expected


@pytest.mark.tensorflow_only
def test_tf_data(model, x):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x, np.zeros(16))).batch(4)
    assert calibrate(model, data) == calibrate(model, x)


@pytest.mark.backend
def test_several_inputs(rng):
    model = models.two_outputs()
    q = keras_alt.quantize_model(model)
    x = sample(model, rng)
    expected = calibrate(q, x)
    assert calibrate(q, (x, None)) == expected


def test_no_more_samples_are_read_than_asked_for(model, x):
    def endless():
        while True:
            yield x[:4]

    assert calibrate(model, endless(), samples=6) == calibrate(
        model, np.concatenate([x[:4], x[:2]])
    )
    bad = x.copy()
    bad[8:] = np.nan
    calibrate(model, bad, samples=8)


def test_activations_beyond_the_memory_limit_go_to_disk(model, x, monkeypatch):
    expected = calibrate(model, x)
    monkeypatch.setattr(batches, "MEMORY_BYTES", 1000)
    assert calibrate(model, x) == expected


def test_frozen_thresholds_stay(model, x):
    calibrate(model, x)
    q = quantizers(model)["conv2d_1/kernel"]
    q.set_threshold(7.0)
    q.frozen.assign(True)
    assert calibrate(model, x)["conv2d_1/kernel"] == pytest.approx(7.0)


@pytest.mark.backend
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_values_name_the_quantizer_and_change_nothing(model, x, value):
    before = calibrate(model, x)
    bad = x.copy()
    bad[3, 2, 1, 0] = value
    with pytest.raises(
        ValueError, match=r"Quantizer 'input_layer\w*/input': Values must be finite"
    ):
        calibrate(model, 100 * bad)
    assert {name: q.threshold for name, q in quantizers(model).items()} == before


def test_zeros_give_finite_thresholds(model, x):  # check 37
    assert np.isfinite(list(calibrate(model, 0 * x).values())).all()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.zeros((0, 8, 8, 3)), ValueError, "at least one sample"),
        (iter(()), ValueError, "at least one sample"),
        (np.zeros((4, 8, 8, 1)), ValueError, r"Received: shape=\(4, 8, 8, 1\)"),
        ([np.zeros((4, 8, 8, 3))] * 2, ValueError, "Received: 2 in `data`"),
        (3, TypeError, "Received: data of type int"),
        ("x.npz", TypeError, "Received: data of type str"),
    ],
)
def test_wrong_data_is_an_error(model, data, error, message):
    with pytest.raises(error, match=message):
        calibrate(model, data)


def test_a_model_without_quantizers_is_an_error():
    with pytest.raises(ValueError, match="expects a model with quantizers"):
        calibrate(models.residual(), np.zeros((1, 8, 8, 3)))


def test_a_sequential_model_written_by_hand(rng):
    model = keras.Sequential([keras.Input((4,)), keras_alt.layers.QuantDense(3, activation="relu")])
    x = rng.normal(size=(8, 4)).astype("float32")
    thresholds = calibrate(model, x, activations=maximum)
    assert 0 < thresholds["quant_dense/activation"] < thresholds["quant_dense/accumulator"] + 1e-6


@pytest.mark.backend
def test_layers_that_train_by_default_do_not_in_calibration(rng, x):
    plain, augmented = (
        keras_alt.quantize_model(model, QuantizeConfig(inputs=None))
        for plain in [small()]
        for model in (plain, models.augmented(plain))
    )
    x = np.clip(x, -1, 1)  # as the augmentation does outside training, too
    assert calibrate(augmented, x) == calibrate(plain, x)


@pytest.mark.tensorflow_only
def test_a_distributed_model_is_calibrated_in_its_scope(x):
    import tensorflow as tf

    expected = calibrate(keras_alt.quantize_model(small()), x)
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = keras_alt.quantize_model(small())
        thresholds = calibrate(model, x)
        report = keras_alt.report(model, x)
    assert thresholds.keys() == expected.keys()
    assert {row.name: row.threshold for row in report.quantizers} == thresholds
