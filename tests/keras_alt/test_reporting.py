"""The report accounts for every quantizer, every float layer and every weight."""

import json

import keras
import models
import numpy as np
import pytest
from conftest import randomize, sample
from island_zoo import AROUND
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.quantizer import quantizers


@pytest.fixture
def quantized(rng):
    model = randomize(models.residual(), rng)
    return keras_alt.quantize_model(model, calibration_data=sample(model, rng))


def test_a_row_for_each_quantizer(quantized, rng):
    report = keras_alt.report(quantized, sample(quantized, rng))
    assert [row.name for row in report.quantizers] == list(quantizers(quantized))
    for row in report.quantizers:
        assert row.exponent == quantizers(quantized)[row.name].exponent
        assert 0 <= row.clipped <= 1
        assert row.sqnr_db is None or row.sqnr_db > 5
    assert all(row.name in str(report) for row in report.quantizers)


def test_without_data_kernels_are_known(quantized):
    rows = {row.name: row for row in keras_alt.report(quantized).quantizers}
    assert rows["conv2d/kernel"].sqnr_db > 20
    assert rows["conv2d/accumulator"].sqnr_db is None


def test_clipped_share_and_sqnr():
    model = keras.Sequential(
        [keras.Input((4,)), keras_alt.Quantizer(keras_alt.FixedPoint(3), initial_threshold=1)]
    )
    row = keras_alt.report(model, np.array([[0.5, 0.3, 2.0, -1.0]], "float32")).quantizers[0]
    assert row.clipped == 0.25
    noise = 0.05**2 + 1.25**2
    assert row.sqnr_db == pytest.approx(10 * np.log10((0.25 + 0.09 + 4 + 1) / noise), rel=1e-6)


def test_the_distance_to_the_float_model_is_that_of_the_outputs(rng):
    layers = [keras.Input((6,)), L.Dense(8, activation="relu", name="first"), L.Dense(3, name="b")]
    model = randomize(keras.Sequential(layers), rng)
    x = sample(model, rng, 20)
    quantized = keras_alt.quantize_model(model, calibration_data=x)
    rows = {row.name: row for row in keras_alt.report(quantized, x).quantizers}
    exact, found = model(x), quantized(x)
    noise = np.square(found - exact).sum() / np.square(exact).sum()
    assert rows["b/output"].drift_db == pytest.approx(-10 * np.log10(noise), rel=1e-4)
    assert rows["b/kernel"].drift_db is None
    assert rows["first_relu/output"].drift_db > 20
    rows = {row.name: row for row in keras_alt.report(quantized).quantizers}
    assert rows["b/output"].drift_db is None


@pytest.mark.parametrize("make", [models.shared_layers, models.two_outputs, AROUND["lstm_last"]])
def test_the_distance_is_small_where_thresholds_fit(make, rng):
    model = randomize(make(), rng)
    x = sample(model, rng, 8)
    quantized = keras_alt.quantize_model(model, calibration_data=x)
    found = [row.drift_db for row in keras_alt.report(quantized, x).quantizers]
    assert min(db for db in found if db is not None) > 15


def test_what_stays_float_has_a_reason():
    model = models.float_inside()
    report = keras_alt.report(keras_alt.quantize_model(model, QuantizeConfig(skip=("conv2d_1",))))
    reasons = {row.type: row.reason for row in report.floats}
    assert reasons["LayerNormalization"].startswith("no fixed-point form")
    assert reasons["Conv2D"] == "left float by `skip`"
    assert [row.reason for row in report.floats][-1].startswith("shapes the output")


def test_every_float_layer_has_its_place_and_what_exporters_make_of_it():
    x = inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3)(L.Rescaling(0.5, name="front")(x))
    x = keras.ops.cumsum(L.LayerNormalization(name="norm")(x), axis=1)
    x = L.Flatten()(L.Conv2D(4, 3)(x))
    model = keras.Model(inputs, L.Softmax(name="probabilities")(L.Dense(3)(x)))

    report = keras_alt.report(keras_alt.quantize_model(model, QuantizeConfig(target="onnx")))

    rows = {row.type: row for row in report.floats}
    assert {kind: row.place for kind, row in rows.items()} == {
        "Rescaling": "in front of",
        "LayerNormalization": "between",
        "Cumsum": "between",
        "Softmax": "behind",
    }
    assert rows["Rescaling"].exports == {
        "to_integers": "outside",
        "to_c": "outside",
        "to_onnx": "float",
    }
    assert rows["Softmax"].exports == {
        "to_integers": "outside",
        "to_c": "outside",
        "to_onnx": "float",
    }
    assert rows["Cumsum"].exports["to_integers"] == "refused"
    assert rows["Cumsum"].reason.startswith("no fixed-point form")
    assert f"to_integers refuses norm, {rows['Cumsum'].name}: take them off" in str(report)
    litert = keras_alt.report(keras_alt.quantize_model(model, QuantizeConfig(target="litert")))
    assert {row.exports["to_litert"] for row in litert.floats} == {"float"}


def test_weights_in_front_of_the_quantizers_are_told():
    model = keras.Sequential([keras.Input((12, 4)), L.LSTM(4, name="lstm"), L.Dense(3)])
    report = keras_alt.report(keras_alt.quantize_model(model, QuantizeConfig(target="litert")))
    (row,) = report.floats
    assert (row.name, row.place) == ("lstm", "in front of")
    assert row.reason == (
        "no fixed-point form; stays float in front of the first quantizer; "
        "`keras_alt.unroll` before `quantize_model` makes integers of its steps"
    )
    assert row.exports == {"to_integers": "outside", "to_c": "outside", "to_litert": "float"}


def test_recurrent_layers_that_cannot_be_unrolled_are_told():
    layers = [L.Conv1D(4, 3), L.Bidirectional(L.GRU(4, dropout=0.1), name="both"), L.Dense(3)]
    model = keras.Sequential([keras.Input((12, 4)), *layers])
    (row,) = keras_alt.report(keras_alt.quantize_model(model)).floats
    assert (row.name, row.place) == ("both", "between")
    assert row.reason.endswith("`keras_alt.unroll` leaves it, because it has dropout")


def test_accumulators_are_named(rng):
    model = keras.Sequential([keras.Input((2048,)), L.Dense(1, kernel_initializer="ones")])
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    assert "keras_alt.calibrate" in keras_alt.report(quantized).no_integers
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    report = keras_alt.report(quantized)
    assert [row.bits for row in report.accumulators] == [26]
    assert "26 bits hold every sum, the widest in dense" in str(report)
    assert "may exceed 2^24: dense" in str(report)
    assert "may exceed 2^31: none" in str(report)


def test_open_sizes_are_told_as_no_integer_form():
    layers = [L.Dense(8, activation="relu"), L.GlobalAveragePooling1D(name="mean"), L.Dense(2)]
    quantized = keras_alt.quantize_model(keras.Sequential([keras.Input((None, 4)), *layers]))
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    report = keras_alt.report(quantized)
    assert "'mean' needs inputs of known size" in report.no_integers
    assert report.no_integers in str(report)


def test_totals():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, name="conv")(inputs)
    model = keras.Model(inputs, L.Dense(5, use_bias=False)(L.Flatten()(L.DepthwiseConv2D(3)(x))))
    report = keras_alt.report(keras_alt.quantize_model(model, QuantizeConfig(weights=4)))
    conv, depthwise, dense = 3 * 3 * 3 * 4, 3 * 3 * 4, 4 * 4 * 4 * 5
    assert report.weight_bytes == {
        "float": 4 * (conv + 4 + depthwise + 4 + dense),
        "quantized": conv + 2 * 4 + depthwise // 2 + 2 * 4 + dense,
    }
    assert report.multiply_accumulates == {"8x8": 36 * conv + dense, "4x8": 16 * depthwise}


def test_files(quantized, tmp_path):
    report = keras_alt.report(quantized)
    report.to_json(tmp_path / "report.json")
    report.to_html(tmp_path / "report.html")
    data = json.loads((tmp_path / "report.json").read_text())
    assert len(data["quantizers"]) == len(report.quantizers)
    assert "conv2d/kernel" in (tmp_path / "report.html").read_text()
    with pytest.raises(FileNotFoundError, match="folder of a file"):
        report.to_json(tmp_path / "missing" / "report.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_float_model_has_no_report():
    with pytest.raises(ValueError, match="expects a model with quantizers"):
        keras_alt.report(models.residual())


@pytest.mark.parametrize("layer", [L.Activation("sigmoid"), L.UnitNormalization(), L.Softmax()])
def test_a_float_layer_that_the_file_holds_is_not_called_refused(layer):
    x = inputs = keras.Input((8,))
    model = keras.Model(inputs, layer(L.Dense(3)(x)))
    (row,) = keras_alt.report(keras_alt.quantize_model(model, QuantizeConfig(target="onnx"))).floats
    assert row.exports == {"to_integers": "outside", "to_c": "outside", "to_onnx": "float"}
