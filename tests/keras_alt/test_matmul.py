"""Matrix products of two tensors: where they are quantized, what they sum, and files."""

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig
from keras_alt.layers import Matmul


def network(activation=None):
    inputs = keras.Input((6, 4))
    query, key = L.Dense(5)(inputs), L.Dense(5, activation=activation, name="key")(inputs)
    x = ops.einsum("btc,bsc->bts", query, key)
    return keras.Model(inputs, L.Dense(3, name="head")(x))


def quantized(rng, target="litert", **options):
    x = rng.normal(size=(32, 6, 4)).astype("float32")
    config = QuantizeConfig(target=target)
    q = keras_alt.quantize_model(network(**options), config, calibration_data=x)
    keras_alt.calibrate(q, x, verbose=False)
    return q, x


def matmul(model):
    return next(layer for layer in model.layers if isinstance(layer, Matmul))


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_product_survives_training_and_files(ending, rng, tmp_path):
    q, x = quantized(rng)
    before = q.get_weights()
    eager = ending == "h5"  # the other one is compiled, as by default
    loss = keras.losses.MeanSquaredError()
    q.compile(keras_alt.optimizers.alt(batch_size=16), loss, run_eagerly=eager)
    q.fit(x, np.ones((32, 6, 3)), verbose=0)

    q.save(tmp_path / f"m.{ending}")
    loaded = keras.models.load_model(tmp_path / f"m.{ending}")

    assert_same_outputs(loaded, q, x)
    assert any((a != b).any() for a, b in zip(before, q.get_weights(), strict=True))
    assert keras_alt.verify(loaded, x, engine="litert", verbose=False).mismatches == 0


def test_the_report_counts_products_and_their_sums(rng):
    report = keras_alt.report(quantized(rng)[0])

    (row,) = [row for row in report.accumulators if row.layer.startswith("einsum")]
    assert row.worst == 5 * 128 * 128
    assert row.exact_in_float32
    assert report.multiply_accumulates == {"8x8": 2 * 6 * 4 * 5 + 6 * 5 * 6 + 6 * 6 * 3}
    assert report.floats == []


@pytest.mark.parametrize("target", ["litert", "onnx"])
def test_litert_gets_a_sign_on_the_second_factor(target, rng):
    q, _ = quantized(rng, target, activation="relu")
    name = f"{matmul(q).name}/second"

    formats = {n: quantizer.format for n, quantizer in keras_alt.quantizers(q).items()}
    assert formats["key_relu/output"] == FixedPoint(8, signed=False)
    assert formats.get(name) == (FixedPoint(8) if target == "litert" else None)


def test_a_product_of_inputs_and_one_at_the_end_are_quantized(rng):
    inputs = keras.Input((6, 6), name="x")
    x = L.Dense(6, name="dense")(ops.matmul(inputs, inputs))
    model = keras.Model(inputs, ops.matmul(x, x))
    x = rng.normal(size=(16, 6, 6)).astype("float32")
    q = keras_alt.quantize_model(model, QuantizeConfig(target="litert"), calibration_data=x)
    keras_alt.calibrate(q, x, verbose=False)

    assert {"x/input", "dense/output"} < set(keras_alt.quantizers(q))
    assert keras_alt.report(q).floats == []
    assert keras_alt.verify(q, x, engine="litert", verbose=False).mismatches == 0


@pytest.mark.parametrize("size", [(None, 4), (3, 4)])
def test_a_product_of_open_size_or_of_two_ranks_stays_float(size):
    inputs = keras.Input(size)
    x = L.Dense(4)(inputs)
    other = ops.max(x, axis=1) if size[0] else x
    q = keras_alt.quantize_model(keras.Model(inputs, ops.einsum("btc,b...c->bt", x, other)))
    assert [row.type for row in keras_alt.report(q).floats] == ["Einsum"]


def test_retarget_adds_the_sign(rng):
    q, x = quantized(rng, "onnx", activation="relu")
    r = keras_alt.retarget(q, "litert", calibration_data=x)
    assert keras_alt.verify(r, x, engine="litert", verbose=False).mismatches == 0
