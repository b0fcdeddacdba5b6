"""ALT inside tensorflow-model-optimization: trains, comes back from files, moves to Keras 3."""

import keras
import numpy as np
import pytest
from conftest import outputs

import keras_alt
from keras_alt.quantizer import quantizers
from keras_alt.tfmot.packages import imported

tfmot, tf_keras = imported()
L = tf_keras.layers
QUANTIZATION = tfmot.quantization.keras
pytestmark = pytest.mark.tensorflow_only


def network():
    inputs = L.Input((6, 6, 3), name="image")
    x = L.Conv2D(4, 3, use_bias=False, name="conv")(inputs)
    x = L.ReLU(name="relu")(L.BatchNormalization(name="norm")(x))
    y = L.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = L.Conv2D(4, 1, name="pointwise")(L.ReLU(6.0, name="relu6")(y))
    x = L.GlobalAveragePooling2D(name="mean")(L.Add(name="add")([x, y]))
    return tf_keras.Model(inputs, L.Dense(3, activation="softmax", name="head")(x))


def annotated(model, **configs):
    """Annotate all layers but the batch norms, which tfmot takes behind convolutions only."""

    def annotate(layer):
        if isinstance(layer, L.BatchNormalization):
            return layer
        return QUANTIZATION.quantize_annotate_layer(layer, configs.get(layer.name))

    copy = tf_keras.models.clone_model(model, clone_function=annotate)
    copy.set_weights(model.get_weights())
    return copy


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 6, 6, 3)).astype("float32"), rng.integers(0, 3, 32)


@pytest.fixture(scope="module")
def float_model():
    tf_keras.utils.set_random_seed(0)
    model = network()
    rng = np.random.default_rng(0)
    for weight in model.get_layer("norm").weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def training(float_model, data):
    """A model after some training, and its thresholds before."""
    config = keras_alt.tfmot.ALTQuantizeConfig(weights=4)
    model = QUANTIZATION.quantize_apply(
        annotated(float_model, pointwise=config), keras_alt.tfmot.ALTScheme()
    )
    model(data[0], training=True)
    start = thresholds(model)
    optimizer = tf_keras.optimizers.Adam(1e-2)
    model.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(*data, batch_size=8, epochs=3, verbose=0)
    return model, start


@pytest.fixture(scope="module")
def trained(training):
    return training[0]


def thresholds(model):
    return {
        weight.name: float(weight.numpy())
        for weight in model.trainable_weights
        if "log2_threshold" in weight.name
    }


@pytest.mark.parametrize(
    "name", [name for name in vars(keras_alt.tfmot.ALTQuantizeConfig) if "quantize" in name]
)
def test_autograph_can_read_what_a_wrapped_layer_calls(name):
    import tensorflow as tf

    tf.autograph.to_graph(getattr(keras_alt.tfmot.ALTQuantizeConfig, name))


def test_thresholds_stand_where_quantize_model_puts_them_and_train(training):
    trained, start = training
    assert set(thresholds(trained)) == {
        f"quant_{name}_log2_threshold:0"
        for name in [
            "image__input/output",
            "conv/kernel",  # in front of a separate ReLU, behind a batch norm
            "relu/output",
            "depthwise/depthwise_kernel",
            "relu6/output",
            "pointwise/kernel",
            "pointwise/output",
            "add/output",
            "mean/output",
            "head/kernel",
            "head/output",
        ]
    }
    assert not any("norm" in layer.name for layer in trained.layers)
    assert np.isfinite(list(start.values())).all()
    assert all(value != start[name] for name, value in thresholds(trained).items())


def test_an_untrained_model_is_close_to_the_float_one(float_model, data):
    model = QUANTIZATION.quantize_apply(annotated(float_model), keras_alt.tfmot.ALTScheme())
    assert np.isnan(model.predict(data[0], verbose=0)).all()  # thresholds are not set
    model(data[0], training=True)
    difference = model.predict(data[0], verbose=0) - float_model.predict(data[0], verbose=0)
    assert 0 < np.abs(difference).max() < 0.1


def test_it_becomes_a_quantized_keras_3_model_with_the_same_thresholds(trained, data):
    new, masks, found = keras_alt.tfmot.to_keras3(trained)
    assert isinstance(new, keras.Model)
    np.testing.assert_array_equal(outputs(new, data[0])[0], trained.predict(data[0], verbose=0))
    assert sorted(2**value for value in thresholds(trained).values()) == sorted(found.values())
    assert quantizers(new)["pointwise/kernel"].format.bits == 4
    assert not quantizers(new)["relu6/output"].format.signed
    assert masks == {}

    deployed = keras_alt.retarget(new, "litert", calibration_data=data[0])
    kept = {"image/input", "conv/kernel", "relu6/output", "head/kernel", "head/output"}
    for name in kept:
        assert quantizers(deployed)[name].threshold == found[name]
    assert keras_alt.verify(deployed, data[0])


@pytest.mark.parametrize("suffix", [".h5", ".keras", pytest.param("", marks=pytest.mark.full)])
def test_it_comes_back_from_a_file_bit_for_bit(trained, data, suffix, tmp_path):
    path = str(tmp_path / f"model{suffix}")
    trained.save(path)
    with QUANTIZATION.quantize_scope():
        loaded = tf_keras.models.load_model(path)
    np.testing.assert_array_equal(
        loaded.predict(data[0], verbose=0), trained.predict(data[0], verbose=0)
    )
    if suffix:  # what is loaded of a SavedModel is for inference
        for one, other in zip(loaded.get_weights(), trained.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        loaded.run_eagerly = True
        loaded.fit(*data, verbose=0)
        assert np.isfinite(list(keras_alt.tfmot.to_keras3(loaded)[2].values())).all()


def test_layers_that_are_not_annotated_stay_float(float_model, data):
    def annotate(layer):
        return QUANTIZATION.quantize_annotate_layer(layer) if layer.name == "pointwise" else layer

    partly = tf_keras.models.clone_model(float_model, clone_function=annotate)
    partly.set_weights(float_model.get_weights())
    model = QUANTIZATION.quantize_apply(partly, keras_alt.tfmot.ALTScheme())
    model(data[0], training=True)
    new, _, found = keras_alt.tfmot.to_keras3(model)
    assert set(found) == {"pointwise/kernel", "pointwise/output", "relu6/output"}


def test_a_config_of_ones_own_kind_keeps_its_thresholds():
    class Own(keras_alt.tfmot.ALTQuantizeConfig):
        """A user's."""

    dense = QUANTIZATION.quantize_annotate_layer(L.Dense(2, name="dense"), Own())
    with QUANTIZATION.quantize_scope({"Own": Own}):
        model = QUANTIZATION.quantize_apply(tf_keras.Sequential([L.Input((4,)), dense]))
    model(np.ones((2, 4), "float32"), training=True)
    assert {"dense/kernel", "dense/output"} <= set(keras_alt.tfmot.to_keras3(model)[2])
