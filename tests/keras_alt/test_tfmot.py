"""Models of tf_keras and tensorflow-model-optimization compute in Keras 3 what they did before."""

import keras
import numpy as np
import pytest
from conftest import outputs

import keras_alt
from keras_alt.tfmot.packages import imported

tfmot, tf_keras = imported()
import tensorflow as tf  # noqa: E402

L = tf_keras.layers
SPARSITY = tfmot.sparsity.keras
QUANTIZATION = tfmot.quantization.keras
LOSS = "sparse_categorical_crossentropy"


def kinds_of_layers():
    x = inputs = L.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, use_bias=False, name="block/conv")(L.Rescaling(0.5, 0.1)(x))
    x = L.ReLU(6.0)(L.BatchNormalization(axis=[3])(x))
    x = L.Concatenate()([L.SeparableConv2D(4, 3, padding="same")(x), L.LeakyReLU(0.1)(x)])
    x = L.ThresholdedReLU(0.1)(L.PReLU(shared_axes=[1, 2])(L.DepthwiseConv2D(3)(x)))
    x = L.Conv2DTranspose(4, 2, strides=2, activation="relu")(L.ZeroPadding2D(((1, 0), (0, 1)))(x))
    x = L.Add()([x, L.Conv2D(4, 1, activation=tf.nn.relu6)(L.Dropout(0.5)(x))])
    return tf_keras.Model(inputs, L.Dense(3, activation="softmax")(L.GlobalMaxPooling2D()(x)))


def functions():
    inputs = L.Input((8, 8, 3))
    x = L.Conv2D(4, 3)(inputs / 127.5 - 1.0)
    x = tf.concat([tf.nn.relu(x) * 0.5 + 1.0, tf.nn.leaky_relu(x)], -1)
    x = tf.reduce_mean(x[:, 1:, :, ::2], axis=[1, 2]) - tf.nn.softmax(L.Dense(4)(L.Flatten()(x)))
    return tf_keras.Model(inputs, tf.clip_by_value(x, -0.5, 0.5))


def sequential():
    return tf_keras.Sequential(
        [
            L.Conv2D(8, 3, input_shape=(8, 8, 3), use_bias=False, name="first"),
            L.BatchNormalization(),
            L.ReLU(name="relu"),
            L.Conv2D(8, 3, activation="relu", name="second"),
            L.Flatten(),
            L.Dense(3, activation="softmax", name="dense"),
        ]
    )


def nested_siamese():
    tower = tf_keras.Sequential(
        [L.Dense(4, input_shape=(3,)), L.BatchNormalization()], name="tower"
    )
    first, second = L.Input((3,), name="first"), L.Input((3,), name="second")
    x = L.Concatenate()([tower(first), tower(inputs=second)])
    heads = {"value": L.Dense(1)(x), "label": L.Dense(2, activation="softmax")(x)}
    return tf_keras.Model({"a": first, "b": second}, heads)


def parts_of_applications():
    from tf_keras.src.applications.convnext import LayerScale, StochasticDepth
    from tf_keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    x = inputs = L.Input((8, 8, 4))
    x = CustomScaleLayer(0.2)([x, StochasticDepth(0.1)(LayerScale(0.3, 4, name="a/b")(x))])
    x = L.LayerNormalization(epsilon=1e-6)(x)
    return tf_keras.Model(inputs, L.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 1, 2, 2])(x))


def layers_in_layers():
    inputs = L.Input((12, 4))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(inputs)
    x = L.Bidirectional(
        L.GRU(2, return_sequences=True),
        backward_layer=L.LSTM(2, go_backwards=True, return_sequences=True),
    )(x)
    x = L.TimeDistributed(L.BatchNormalization())(L.TimeDistributed(L.LeakyReLU(0.2))(x))
    cells = [L.LSTMCell(3), L.GRUCell(2)]
    return tf_keras.Model(inputs, [L.RNN(cells)(x), L.RNN(L.SimpleRNNCell(2))(x)])


def readers_of_ids():
    inputs = L.Input((12,))
    x = L.Embedding(20, 4)(L.Reshape((3, 4))(inputs))
    kinds = L.CategoryEncoding(5, output_mode="multi_hot")(inputs)
    return tf_keras.Model(inputs, [L.Dense(2)(L.Flatten()(x)), L.Dense(2)(kinds)])


def augmented():
    inputs = L.Input((8, 8, 3))
    return tf_keras.Model(inputs, L.Conv2D(2, 3)(L.RandomBrightness(0.5)(inputs)))


def randomized(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "moving" in weight.name or "gamma" in weight.name:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 8, 8, 3)).astype("float32"), rng.integers(0, 3, 32)


def assert_same_outputs(old, new, relative=1e-5):
    x = data()[0]
    expected, received = old.predict(x, verbose=0), outputs(new, x)[0]
    assert np.abs(expected - received).max() <= relative * np.abs(expected).max()


@pytest.mark.parametrize("make", [layers_in_layers, readers_of_ids, augmented])
def test_what_layers_hold_and_read_is_converted(make):
    old = randomized(make())
    new = keras_alt.tfmot.to_keras3(old)[0]
    x = np.random.default_rng(1).integers(0, 5, size=(4, *old.inputs[0].shape[1:]))
    expected = old(x.astype("float32"), training=False)
    for a, b in zip(tf.nest.flatten(expected), outputs(new, x), strict=True):
        np.testing.assert_allclose(b, a, 1e-5, 1e-5)


@pytest.mark.backend
@pytest.mark.parametrize(
    "make", [kinds_of_layers, functions, sequential, nested_siamese, parts_of_applications]
)
def test_a_model_computes_the_same_in_keras_3(make):
    old = randomized(make())
    before = old.get_weights()
    new, masks, thresholds = keras_alt.tfmot.to_keras3(old)
    assert isinstance(new, keras.Model)
    assert (masks, thresholds) == ({}, {})
    assert all((a == b).all() for a, b in zip(old.get_weights(), before, strict=True))
    if make is nested_siamese:
        x = {name: np.random.default_rng(0).normal(size=(4, 3)) for name in ("a", "b")}
        expected, received = old(x), new(x)
        assert set(expected) == set(received)
        for name, value in expected.items():
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(received[name]), value, 1e-5, 1e-6
            )
    elif make is not parts_of_applications:
        assert_same_outputs(old, new)


def test_an_operator_does_not_take_the_name_of_a_layer():
    x = L.Input((3,))
    doubled = tf.math.multiply(x, 2.0)
    old = tf_keras.Model(x, L.Multiply(name="multiply")([x, doubled]))
    keras.utils.clear_session()  # Keras 3 would call its first product "multiply"

    new = keras_alt.tfmot.to_keras3(old)[0]

    names = [operation.name for operation in new.operations]
    assert names[1:] == [old.layers[1].name, "multiply"]
    np.testing.assert_array_equal(outputs(new, np.array([[1.0, 2.0, 3.0]]))[0], [[2.0, 8.0, 18.0]])


@pytest.mark.parametrize("function", [tf.math.log, tf.sqrt, lambda x: tf.math.log(tf.nn.relu(x))])
def test_outputs_that_are_no_numbers_are_compared_elsewhere(function):
    x = L.Input((3,))
    old = tf_keras.Model(x, L.Dense(2)(function(x)))
    values = np.random.default_rng(1).uniform(size=(4, 3)).astype("float32")
    new = keras_alt.tfmot.to_keras3(old)[0]
    np.testing.assert_allclose(outputs(new, values)[0], old(values), 1e-5, 1e-6)


def test_a_model_without_numbers_is_an_error():
    x = L.Input((3,))
    with pytest.raises(ValueError, match="nothing can be compared"):
        keras_alt.tfmot.to_keras3(tf_keras.Model(x, tf.math.log(x - 2.0 - tf.nn.relu(x))))


def test_a_pruned_model_comes_with_its_masks():
    schedule = SPARSITY.ConstantSparsity(0.5, 0, frequency=1)
    pruned = SPARSITY.prune_low_magnitude(sequential(), schedule)
    pruned.compile("adam", LOSS)
    pruned.fit(*data(), batch_size=8, callbacks=[SPARSITY.UpdatePruningStep()], verbose=0)
    for old in (pruned, SPARSITY.strip_pruning(pruned)):
        new, masks, _ = keras_alt.tfmot.to_keras3(old)
        assert {name: mask.mean() for name, mask in masks.items()} == {
            "first/kernel": 0.5,
            "second/kernel": 0.5,
            "dense/kernel": 0.5,
        }
        assert_same_outputs(pruned, new)
        assert keras_alt.quantize_model(new, masks=masks).get_layer("first").sparse


def test_prune_makes_the_masks_that_tfmot_makes(rng):
    kernel = rng.normal(size=(3, 3, 6, 5)).astype("float32")
    for m_by_n in (None, (2, 4)):
        layer = L.Conv2D(5, 3, input_shape=(3, 3, 6), use_bias=False, name="conv")
        schedule = SPARSITY.ConstantSparsity(0.6, 0, frequency=1)
        old = SPARSITY.prune_low_magnitude(
            tf_keras.Sequential([layer]), schedule, sparsity_m_by_n=m_by_n
        )
        old.layers[0].pruning_vars[0][0].assign(kernel)
        old.layers[0].pruning_step.assign(1)  # the only one at which tfmot makes m:n masks
        old.layers[0].pruning_obj.conditional_mask_update()
        new = keras.Sequential([keras.Input((3, 3, 6)), keras.layers.Conv2D(5, 3, use_bias=False)])
        new.layers[0].kernel.assign(kernel)
        prune = keras_alt.callbacks.Prune(schedule, sparsity_m_by_n=m_by_n)
        prune.set_model(new)
        prune.on_train_begin()
        prune.on_epoch_begin(0)
        (mask,) = prune.masks.values()
        np.testing.assert_array_equal(mask, old.layers[0].pruning_vars[0][1].numpy() != 0)


def test_a_clustered_model_keeps_its_centroids():
    cluster = tfmot.clustering.keras
    old = cluster.cluster_weights(sequential(), 8, cluster.CentroidInitialization.LINEAR)
    new, _, _ = keras_alt.tfmot.to_keras3(old)
    kernel = keras.ops.convert_to_numpy(new.get_layer("second").kernel)
    assert len(np.unique(kernel)) <= 8
    assert_same_outputs(old, new)


def test_a_model_in_training_for_quantization_gives_float_layers_and_thresholds():
    float_model = randomized(sequential())
    float_model.layers[1].trainable = False  # its statistics, too
    annotated = QUANTIZATION.quantize_annotate_model(float_model)
    assert_same_outputs(float_model, keras_alt.tfmot.to_keras3(annotated)[0])
    trained = QUANTIZATION.quantize_apply(annotated)
    assert keras_alt.tfmot.to_keras3(trained)[2] == {}  # nothing learned yet
    trained(data()[0], training=True)  # moves the ranges, not the weights
    new, _, thresholds = keras_alt.tfmot.to_keras3(trained)
    assert_same_outputs(float_model, new)
    q = keras_alt.quantize_model(new)
    kept = keras_alt.tfmot.set_thresholds(q, thresholds)
    calibrated = keras_alt.calibrate(q, data()[0], keep=kept, verbose=False)
    names = {"first_input/input", "relu/output", "second_relu/output", "dense/output"}
    assert set(thresholds) == names
    assert all(calibrated[name] == pytest.approx(thresholds[name], 1e-6) for name in names)


def test_what_cannot_move_is_named():
    class Own(L.Layer):
        """A layer that Keras 3 does not have."""

    inputs = L.Input((4,))
    with pytest.raises(NotImplementedError, match=r"'mine'.*Own"):
        keras_alt.tfmot.to_keras3(tf_keras.Model(inputs, Own(name="mine")(inputs)))
    with pytest.raises(NotImplementedError, match=r"tf\.math\.cumsum"):
        keras_alt.tfmot.to_keras3(tf_keras.Model(inputs, tf.cumsum(inputs)))
    x = L.Activation("hard_sigmoid", name="harder")(L.Dense(3, name="same")(inputs))
    differing = tf_keras.Model(inputs, L.Dense(2)(x))
    for model in (differing, tf_keras.Sequential([inputs, L.Dense(4), differing])):
        with pytest.raises(ValueError, match="replace layer 'harder'"):
            keras_alt.tfmot.to_keras3(model)
    with pytest.raises(ValueError, match="known input shape"):
        keras_alt.tfmot.to_keras3(tf_keras.Sequential([L.Dense(2)]))
    with pytest.raises(TypeError, match="of tf_keras"):
        keras_alt.tfmot.to_keras3(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))


WANT_KERAS_3 = {
    "quantize_model": keras_alt.quantize_model,
    "calibrate": lambda model: keras_alt.calibrate(model, np.zeros((1, 4))),
    "report": keras_alt.report,
    "retarget": lambda model: keras_alt.retarget(model, "litert"),
    "verify": lambda model: keras_alt.verify(model, np.zeros((1, 4))),
    "sparsity_masks": keras_alt.sparsity_masks,
    "read": keras_alt.integer.read,
    **{
        name: lambda model, name=name: getattr(keras_alt.export, name)(model, "nowhere/model")
        for name in vars(keras_alt.export)
        if name.startswith("to_")
    },
}


@pytest.mark.parametrize("function", WANT_KERAS_3.values(), ids=WANT_KERAS_3)
def test_functions_that_want_keras_3_show_the_way(function):
    model = tf_keras.Sequential([L.Dense(2, input_shape=(4,))], name="old")
    with pytest.raises(TypeError, match=r"to_keras3\(model\).*Received: model 'old' of tf_keras"):
        function(model)
