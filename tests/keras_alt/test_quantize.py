"""The whole way of a model: quantize, calibrate, train, save, load."""

import keras
import models
import numpy as np
import pytest
from conftest import assert_same_outputs, outputs, pairs, randomize, sample
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.quantizer import quantizers


def train(model, x, run_eagerly=False):
    y = [np.zeros((4, *t.shape[1:]), "float32") for t in model.outputs]
    y = keras.tree.pack_sequence_as(model._outputs_struct, y)
    losses = keras.tree.map_structure(lambda _: keras.losses.MeanSquaredError(), y)
    optimizer = keras_alt.optimizers.alt(1e-3, 1e-2, steps=100)
    model.compile(optimizer, losses, run_eagerly=run_eagerly)
    model.fit(x, y, batch_size=4, verbose=0)


EVERYWHERE = (models.leaky, models.kinds_of_layers, models.siamese)  # every kind of layer
TOPOLOGIES = pairs(
    (*models.FUNCTIONAL, models.subclassed),
    ("paper", "litert"),
    lambda make, target: [pytest.mark.backend] * (target == "paper" and make in EVERYWHERE),
)


@pytest.mark.parametrize(("make", "target"), TOPOLOGIES)
def test_every_topology_goes_all_the_way(make, target, rng, tmp_path):
    model = randomize(make(), rng)
    x = sample(model, rng) if make is not models.subclassed else rng.normal(size=(4, 8, 8, 3))

    q = keras_alt.quantize_model(model, QuantizeConfig(target=target), calibration_data=x)

    for a, b in zip(outputs(model, x), outputs(q, x), strict=True):
        assert np.abs(a - b).max() < 0.25 * np.abs(a).max()
    before = [w.copy() for w in q.get_weights()]
    # Tracing is most of a graph's time here: networks with every kind of layer are traced.
    train(q, x, run_eagerly=make not in EVERYWHERE)
    assert all(np.isfinite(values).all() for values in outputs(q, x))
    assert any((a != b).any() for a, b in zip(before, q.get_weights(), strict=True))
    q.save(tmp_path / "model.keras")
    assert_same_outputs(q, keras.models.load_model(tmp_path / "model.keras"), x)


@pytest.mark.backend
@pytest.mark.parametrize("make", [models.inception, models.operators, models.siamese])
def test_h5_and_weights_round_trip(make, rng, tmp_path):
    model = randomize(make(), rng)
    x = sample(model, rng)
    q = keras_alt.quantize_model(model, calibration_data=x)
    q.save(tmp_path / "model.h5")
    q.save_weights(tmp_path / "model.weights.h5")

    assert_same_outputs(q, keras.models.load_model(tmp_path / "model.h5", compile=False), x)
    fresh = keras_alt.quantize_model(model)
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert_same_outputs(q, fresh, x)


@pytest.mark.backend
@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="torch's CPU kernels do not repeat bit for bit: two equal reloads differ by 6e-8, too",
)
def test_a_reloaded_model_trains_on_bit_for_bit(rng, tmp_path):
    model = randomize(models.nested(), rng)
    x = sample(model, rng, 16)
    q = keras_alt.quantize_model(model, calibration_data=x)
    q.compile(keras_alt.optimizers.alt(1e-3, steps=40), keras.losses.MeanSquaredError())
    y = np.zeros((16, 5), "float32")
    q.fit(x, y, shuffle=False, batch_size=4, verbose=0)
    list(quantizers(q).values())[2].frozen.assign(True)
    q.save(tmp_path / "model.keras")

    again = keras.models.load_model(tmp_path / "model.keras")
    assert [bool(k.frozen.value) for k in quantizers(again).values()][2]
    for m in (q, again):
        m.fit(x, y, shuffle=False, batch_size=4, verbose=0)
    for a, b in zip(q.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.backend
def test_shared_thresholds_stay_shared_in_a_file(rng, tmp_path):
    q = keras_alt.quantize_model(
        models.inception(), calibration_data=np.ones((2, 8, 8, 3), "float32")
    )
    q.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert list(quantizers(q)) == list(quantizers(again))
    assert len(q.trainable_variables) == len(again.trainable_variables)


@pytest.mark.backend
@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    "make", [models.nested, pytest.param(models.inverted_residual, marks=pytest.mark.full)]
)
def test_saved_model_gives_the_same_outputs(make, rng, tmp_path):
    import tensorflow as tf

    model = randomize(make(), rng)
    x = sample(model, rng)
    q = keras_alt.quantize_model(model, calibration_data=x)
    train(q, x, run_eagerly=True)
    q.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.serve(x).numpy(), outputs(q, x)[0])


@pytest.mark.backend
def test_the_model_given_is_not_changed(rng):
    model = randomize(models.residual(), rng)
    before = model.get_weights()
    keras_alt.quantize_model(model, calibration_data=sample(model, rng))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.backend
def test_uncalibrated_outputs_are_not_numbers(rng):
    model = models.residual()
    assert np.isnan(outputs(keras_alt.quantize_model(model), sample(model, rng))[0]).all()


@pytest.mark.backend
def test_an_unset_threshold_reads_as_nan():
    for quantizer in keras_alt.quantizers(keras_alt.quantize_model(models.residual())).values():
        assert not quantizer.calibrated
        assert np.isnan(quantizer.threshold)
        with pytest.raises(ValueError, match="not known before .* Received: threshold=nan"):
            _ = quantizer.exponent


@pytest.mark.backend
def test_a_file_of_an_older_version_has_unset_thresholds(rng, tmp_path):
    model = models.residual()
    q, x = keras_alt.quantize_model(model), sample(model, rng)
    for quantizer in keras_alt.quantizers(q).values():
        quantizer.log2_threshold.assign(np.nan)  # which marked them then
    q.save(tmp_path / "old.keras")

    old = keras.models.load_model(tmp_path / "old.keras")

    assert not any(quantizer.calibrated for quantizer in keras_alt.quantizers(old).values())
    assert np.isnan(outputs(old, x)[0]).all()
    keras_alt.calibrate(old, x, verbose=False)
    assert np.isfinite(outputs(old, x)[0]).all()


@pytest.mark.backend
def test_training_an_uncalibrated_model_is_an_error(rng, tmp_path):
    model = models.nested()
    q = keras_alt.quantize_model(model)
    x = sample(model, rng)
    with pytest.raises(ValueError, match="call `keras_alt.calibrate"):
        train(q, x)
    q.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="call `keras_alt.calibrate"):
        again.fit(x, np.zeros((4, 5)), verbose=0)


@pytest.mark.backend
@pytest.mark.parametrize("wrong", [None, "model.keras", L.Dense(3)])
def test_something_else_than_a_model_is_an_error(wrong):
    with pytest.raises(TypeError, match="expects a Keras 3"):
        keras_alt.quantize_model(wrong)


def test_a_target_in_place_of_a_configuration_is_an_error():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(TypeError, match="Received: config='litert'"):
        keras_alt.quantize_model(model, "litert")


@pytest.mark.backend
@pytest.mark.parametrize("target", ["paper", "litert"])
def test_outputs_are_codes_on_the_grid(target, rng):
    model = randomize(models.inverted_residual(), rng)
    x = sample(model, rng)
    q = keras_alt.quantize_model(model, QuantizeConfig(target=target), calibration_data=x)
    last = list(quantizers(q).values())[-1]
    codes = outputs(q, x)[0] / 2.0**last.exponent
    np.testing.assert_array_equal(codes, np.rint(codes))


@pytest.mark.backend
@pytest.mark.parametrize(
    "make", [models.residual, models.inverted_residual, models.nested, models.shared_layers]
)
def test_batch_norm_in_training_starts_as_the_folded_model(make, rng):
    model = randomize(make(), rng)
    x = sample(model, rng)
    folded = keras_alt.quantize_model(model, calibration_data=x)
    trained = keras_alt.quantize_model(
        model, QuantizeConfig(batch_norm="train"), calibration_data=x
    )
    assert list(quantizers(folded)) == list(quantizers(trained))
    for a, b in zip(outputs(folded, x), outputs(trained, x), strict=True):  # check 53
        np.testing.assert_allclose(a, b, atol=0.02 * np.abs(a).max())


def test_a_frozen_norm_is_folded_once(rng):
    model = randomize(models.residual(), rng)
    norms = [x for x in model.layers if isinstance(x, L.BatchNormalization)]
    norms[0].trainable = False
    q = keras_alt.quantize_model(model, QuantizeConfig(batch_norm="train"))
    folding = [layer for layer in q.layers if getattr(layer, "batch_norm", None) is not None]
    assert len(folding) == len(norms) - 1


@pytest.mark.backend
def test_a_bias_behind_a_merge_of_unlike_operands_has_the_scale_of_the_merge():
    inputs = keras.Input((4, 4, 2))
    x = L.Concatenate()([inputs, L.Conv2D(3, 1, activation="relu")(inputs)])
    model = keras.Model(inputs, L.Conv2D(3, 1)(x))

    quantized = keras_alt.quantize_model(
        model, QuantizeConfig(inputs=4, activations=6, target="litert")
    )

    merged = quantizers(quantized)["concatenate/inputs"]
    last = quantized.get_layer("conv2d_1")
    exponent = last._inbound_nodes[0].arguments.kwargs["input_exponent"]
    assert exponent._keras_history.operation is merged


@pytest.mark.parametrize(
    ("target", "widths", "received"),
    [
        ("litert", {"weights": 16}, "at most 8 bits.*weights=16"),
        ("litert", {"inputs": 16}, "at most 8 bits.*inputs=16"),
        ("litert", {"overrides": {"conv*": {"activations": 9}}}, "'activations'.=9"),
        ("onnx", {"activations": 17}, "at most 16 bits.*activations=17"),
    ],
)
def test_widths_that_a_target_cannot_store_are_refused_before_training(target, widths, received):
    model = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3, name="conv")])
    with pytest.raises(ValueError, match=received):
        keras_alt.quantize_model(model, QuantizeConfig(target=target, **widths))
    wide = keras_alt.quantize_model(model, QuantizeConfig(**widths))
    with pytest.raises(ValueError, match=received):
        keras_alt.retarget(wide, target)
