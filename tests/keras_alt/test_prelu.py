"""A PReLU trains its slopes, and every engine computes it alike."""

import keras
import numpy as np
import pytest
from conftest import EAGER
from exported import quantized
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt.layers import QuantPReLU
from keras_alt.quantizer import quantizers

pytestmark = pytest.mark.backend


def network(slopes="ones"):
    inputs = keras.Input((4, 4, 2))
    x = L.PReLU(slopes, shared_axes=[1, 2], name="prelu")(L.Conv2D(3, 2, name="conv")(inputs))
    return keras.Model(inputs, L.Dense(2, name="head")(L.Flatten()(x)))


def test_without_widths_it_is_its_twin(rng):
    x = rng.normal(size=(8, 4, 4, 3)).astype("float32")
    twin, layer = L.PReLU("normal"), QuantPReLU(internal_bits=None, activation_bits=None)
    y = ops.convert_to_numpy(twin(x))
    layer.build(x.shape)
    layer.set_weights(twin.get_weights())
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), y)


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.25, 1.5])
def test_it_is_the_float_function_where_that_lies_on_the_grid(slope):
    layer = QuantPReLU(alpha_initializer=keras.initializers.Constant(slope), shared_axes=[1])
    x = np.arange(-8, 8, dtype="float32").reshape(1, -1) / 4
    layer.build(x.shape)
    for quantizer in (layer.input_quantizer, layer.slope_quantizer, layer.activation_quantizer):
        quantizer.set_threshold(4.0)
    expected = np.where(x > 0, x, slope * x)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), expected)


def test_its_slopes_train(rng):
    # A slope that is a power of two lies at the edge of its range, and is clipped at first.
    model, x = quantized(network(keras.initializers.Constant(0.3)), rng, "litert")
    before = model.get_layer("prelu").alpha.numpy()
    model.compile(keras_alt.optimizers.alt(batch_size=8), "mse", run_eagerly=EAGER)
    model.fit(x, np.ones((len(x), 2)), epochs=2, verbose=0)
    assert (model.get_layer("prelu").alpha.numpy() != before).all()
    assert keras_alt.verify(model, x, verbose=False)


def test_it_is_saved_and_retargeted_with_its_thresholds(rng, tmp_path):
    model, x = quantized(network("normal"), rng, "paper")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    other = keras_alt.retarget(keras_alt.retarget(loaded, "litert", x), "paper", x)
    for result in (loaded, other):
        slopes = result.get_layer("prelu").alpha
        np.testing.assert_array_equal(slopes, model.get_layer("prelu").alpha)
        thresholds = {name: q.threshold for name, q in quantizers(result).items()}
        assert thresholds["prelu/output"] == quantizers(model)["prelu/output"].threshold
    assert keras_alt.verify(other, x, verbose=False)


def test_the_report_counts_its_slopes(rng):
    model, _ = quantized(network(), rng, "litert")
    report = keras_alt.report(model)
    assert [row.name for row in report.floats] == []
    assert quantizers(model)["prelu/slope"].format.bits == 8
