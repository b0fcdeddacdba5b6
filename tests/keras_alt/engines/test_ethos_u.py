"""Vela puts every operator of an exported file on an Ethos-U."""

import exported
import keras
import pytest
from exported import quantized, small
from keras import layers as L

from keras_alt.engines.ethos_u import ethos_costs
from keras_alt.engines.fitting import ExportError
from keras_alt.export import to_litert


@pytest.fixture
def vela():
    for package in ("ai_edge_litert", "ethosu"):
        pytest.importorskip(package)


def residual(x):
    """Return the layers that networks for microcontrollers consist of."""
    y = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = L.DepthwiseConv2D(3, padding="same", activation="relu6")(y)
    y = L.Conv2D(4, 1, name="pointwise")(y)
    y = L.ReLU()(L.Add()([y, L.Conv2D(4, 1)(x)]))
    y = L.Concatenate()([L.MaxPooling2D()(y), L.AveragePooling2D(2)(y)])
    return L.Dense(5)(L.GlobalAveragePooling2D()(y))


@pytest.mark.usefixtures("vela")
@pytest.mark.parametrize("target", ["tflm", "litert"])
def test_integers_are_computed_on_the_npu(target, rng, tmp_path):
    inputs = keras.Input((8, 8, 3))
    model, _ = quantized(keras.Model(inputs, residual(inputs)), rng, target)
    costs = ethos_costs(to_litert(model, tmp_path / "net.tflite"))
    assert (costs.on_cpu, costs.reasons) == (0, {})
    assert costs.on_npu > 5
    assert costs.cycles > 0
    assert 8 * 8 * 3 < costs.sram < 10_000
    assert f"{costs.on_npu} of {costs.on_npu} operators on the NPU" in str(costs)


@pytest.mark.usefixtures("vela")
def test_a_float_head_is_left_to_the_cpu_and_named(rng, tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, L.Softmax()(L.Dense(5)(L.Flatten()(L.Conv2D(4, 3)(inputs)))))
    model, _ = quantized(model, rng, "tflm")
    costs = ethos_costs(to_litert(model, tmp_path / "net.tflite"), "ethos-u55-64")
    assert costs.on_cpu == 2
    assert {name.split()[0] for name in costs.reasons} == {"DEQUANTIZE", "SOFTMAX"}
    assert "Float32" in str(costs)


@pytest.mark.usefixtures("vela")
def test_a_file_that_vela_does_not_take_is_refused(tmp_path):
    (tmp_path / "net.tflite").write_text("no model")
    with pytest.raises(ExportError, match=r"Vela must compile the file\. .*net\.tflite"):
        ethos_costs(tmp_path / "net.tflite")


def test_without_vela_an_error_says_what_to_install(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "tflm")

    def export(model, path):
        return ethos_costs(path)

    exported.assert_needs(export, model, tmp_path, "ethosu", "ethos", monkeypatch)
