"""What `quantize_model` says of models and layers that are a user's own."""

import importlib
import warnings

import keras
import numpy as np
import pytest
from conftest import assert_same_function
from keras import layers as L

import keras_alt
from keras_alt.quantizer import quantizers
from keras_alt.transforms import inline
from keras_alt.transforms.inline import APPLICATIONS

pytestmark = pytest.mark.check
OFFSET = 0.5  # a global that a function reads


def dense(*front):
    x = inputs = keras.Input((4,))
    for layer in front:
        x = layer(x)
    return keras.Model(inputs, L.Dense(3, name="dense")(x))


def offset(x):
    return x + OFFSET


@pytest.mark.parametrize(
    "layer",
    [
        lambda: L.Lambda(lambda x: x / 255, name="own"),
        lambda: L.Lambda(lambda x: x + OFFSET, output_shape=(4,), name="own"),
        lambda: L.Lambda(offset, name="own"),
        lambda: L.Lambda(lambda x, factor: x * factor, arguments={"factor": 2.0}, name="own"),
    ],
)
def test_a_lambda_is_kept(layer, rng):
    model = dense(layer())
    copy = inline(model)
    assert_same_function(model, copy, rng)
    assert copy.get_layer("own").trainable == model.get_layer("own").trainable
    assert "dense/kernel" in quantizers(keras_alt.quantize_model(model))


def test_a_lambda_inside_a_layer_is_kept(rng):
    inputs = keras.Input((5, 4))
    halved = L.TimeDistributed(L.Lambda(lambda x: x / 2))(inputs)
    model = keras.Model(inputs, L.Dense(3)(halved))
    assert_same_function(model, inline(model), rng)


def test_a_layer_that_cannot_be_copied_is_named():
    class Own(L.Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, x):
            return x * self.factor

        def get_config(self):
            return L.Layer.get_config(self)

    with pytest.raises(ValueError, match="(?s)layer 'own' of type Own.*factor"):
        keras_alt.quantize_model(dense(Own(2.0, name="own")))


def test_a_quantized_model_is_not_quantized_again():
    q = keras_alt.quantize_model(dense())
    inputs = keras.Input((4,))
    by_hand = keras.Sequential([inputs, keras_alt.layers.QuantDense(3), L.Dense(2)])
    for model in (q, keras.Model(inputs, q(inputs)), by_hand):
        with pytest.raises(ValueError, match="already quantized: `keras_alt.retarget`"):
            keras_alt.quantize_model(model)


def test_methods_that_are_lost_are_named():
    class Distiller(keras.Model):
        def train_step(self, data):
            return {}

    class Own(Distiller):
        def compute_loss(self, **kwargs):
            return 0.0

    inputs = keras.Input((4,))
    with pytest.warns(UserWarning, match="class Own, which defines compute_loss, train_step"):
        keras_alt.quantize_model(Own(inputs, L.Dense(3)(inputs)))


@pytest.mark.backend
def test_a_plain_model_loses_no_methods():
    inputs = keras.Input((4,))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        keras_alt.quantize_model(keras.Model(inputs, L.Dense(3)(inputs)))


def constrained(cls=L.Conv2D, **rules):
    inputs = keras.Input((8, 8, 3))
    layer = cls(4, 3, name="c", **rules)
    norm = L.BatchNormalization(gamma_regularizer="l2", beta_constraint="non_neg", name="n")
    norm(layer(inputs))
    norm.gamma.assign(4.0 * np.ones(norm.gamma.shape))
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(L.ReLU()(norm(layer(inputs))))))


CONSTRAINTS = {"kernel_constraint": keras.constraints.MaxNorm(1.0), "bias_regularizer": "l1"}


def test_rules_of_a_kernel_are_not_those_of_its_folded_kernel(rng):
    model = constrained(**CONSTRAINTS)
    x = rng.normal(size=(8, 8, 8, 3)).astype("float32")
    named = r"'c' \(.*kernel_constraint.*\); 'n' \(.*beta_constraint"
    with pytest.warns(UserWarning, match=named) as found:
        q = keras_alt.quantize_model(model, calibration_data=x)
    assert sum("folding" in str(warning.message) for warning in found) == 1
    layer = q.get_layer("c")
    assert layer.kernel_constraint is layer.bias_regularizer is None
    before = [weight.copy() for weight in q.get_weights()]
    q.compile(keras_alt.optimizers.alt(weights=0.0, thresholds=0.0), "mse")
    q.fit(x, np.zeros((8, 2)), verbose=0)
    for a, b in zip(before, q.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rules_stay_where_the_kernel_itself_trains(rng, tmp_path):
    model = constrained(**CONSTRAINTS)
    q = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(batch_norm="train"))
    q.save(tmp_path / "model.keras")
    for copy in (q, keras.models.load_model(tmp_path / "model.keras")):
        layer = copy.get_layer("c")
        assert layer.kernel_constraint is not None
        assert layer.bias_regularizer is not None
        assert layer.batch_norm.gamma.regularizer is not None
        assert layer.batch_norm.beta.constraint is not None


def test_an_activation_is_regularized_behind_its_function():
    inputs = keras.Input((4,))
    regularizer = keras.regularizers.L2(0.1)
    layer = L.Dense(3, activation="softmax", activity_regularizer=regularizer, name="d")
    q = keras_alt.quantize_model(keras.Model(inputs, layer(inputs)))
    assert q.get_layer("d").activity_regularizer is None
    assert q.get_layer("d_softmax").activity_regularizer is not None


def test_layers_of_keras_applications_are_looked_into(rng):
    scale = importlib.import_module(f"{APPLICATIONS}inception_resnet_v2").CustomScaleLayer
    inputs = keras.Input((8, 8, 4))
    x = L.Conv2D(4, 1, activation="relu")(inputs)
    model = keras.Model(inputs, L.Dense(3)(scale(0.17)([x, L.Conv2D(4, 1)(x)])))
    assert_same_function(model, inline(model), rng)
    assert not keras_alt.report(keras_alt.quantize_model(model)).floats
