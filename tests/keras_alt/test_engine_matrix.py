"""One model on several engines: all are listed, and differences have their reasons."""

import importlib.util

import keras
import numpy as np
import pytest
from conftest import sample
from exported import quantized, small
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.engines import ENGINES
from keras_alt.engines.integer.run import IntegerEngine
from keras_alt.proving import Samples

pytestmark = pytest.mark.tensorflow_only
FILES_OF_LITERT = ("litert", "litert-reference", "tflm")


@pytest.fixture
def adding():
    """A sum whose step is twice that of its operands: every odd sum is a tie."""
    first, second = keras.Input((6,), name="first"), keras.Input((6,), name="second")
    model = keras.Model([first, second], L.Add(name="sum")([first, second]))
    model = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    codes = np.random.default_rng(0).integers(-100, 101, (2, 40, 6)).astype("float32")
    keras_alt.calibrate(model, list(codes), verbose=False)
    for name, quantizer in keras_alt.quantizers(model).items():
        quantizer.set_threshold(256.0 if name.startswith("sum") and "input" not in name else 128.0)
    return model, list(codes)


def installed(*names):
    for name in names:
        pytest.importorskip(name)


def test_a_file_of_litert_on_tflm_names_the_rule_of_its_additions(adding):
    installed("ai_edge_litert", "tflite_micro")
    model, x = adding
    matrix = keras_alt.verify(model, x, engines=("integer", *FILES_OF_LITERT), verbose=False)

    sums = x[0] + x[1]
    ties = np.count_nonzero(sums % 2)
    differing = np.count_nonzero((sums % 2 == 1) & (sums < 0))
    for engine in ("integer", "litert"):
        assert matrix[engine].result and matrix[engine].explanation is None
    for engine in ("litert-reference", "tflm"):
        found = matrix[engine].explanation
        assert matrix[engine].result.mismatches == differing > 0
        assert found.explaining == ["half_away"]
        assert (found.differing, found.differing_ties) == (differing, differing)
        assert (found.ties, found.shifts) == (ties, {1: ties})
    assert not matrix
    text = str(matrix)
    assert "LiteRT's reference kernels round half away from zero in additions" in text
    assert "TFLM rounds half away from zero in additions; the target rounds half up" in text


def test_the_same_integers_on_onnx_runtime_round_half_to_even(adding):
    installed("onnx", "onnxruntime")
    model, x = adding
    row = keras_alt.verify(model, x, engines=["onnxruntime"], verbose=False)["onnxruntime"]

    sums = x[0] + x[1]
    assert row.result.mismatches == np.count_nonzero(sums % 4 == 1)
    assert row.explanation.explaining == ["half_even"]


@pytest.mark.parametrize("target", ["litert", "tflm", "onnx", "paper", "hls"])
def test_every_engine_that_follows_the_target_agrees(target, rng):
    model, x = small(rng, target)
    following = [e for e in keras_alt.targets.TARGETS[target].engines if e != "hls4ml"]
    matrix = keras_alt.verify(model, x, engines=following, verbose=False)

    assert matrix
    assert matrix.samples == len(x)
    for row in matrix.rows:
        assert row.result is not None or row.install is not None
        if row.result is not None:
            alone = keras_alt.verify(model, x, engine=row.engine, verbose=False)
            assert row.result == alone


@pytest.fixture
def few_engines(monkeypatch):
    for name in ("c", "hls4ml", "litert"):
        monkeypatch.delitem(ENGINES, name)


def test_each_kind_of_rounding_is_explained_from_the_codes_of_the_engine(rng):
    installed("ai_edge_litert", "tflite_micro")
    inputs = keras.Input((6, 6, 3))
    first = L.Conv2D(8, 3, padding="same")(inputs)
    sums = L.Add(name="sum")([first, L.Conv2D(8, 3, padding="same")(first)])
    model, x = quantized(keras.Model(inputs, sums), rng, "litert")
    for name, quantizer in keras_alt.quantizers(model).items():
        if name.startswith("sum") and "input" not in name:
            quantizer.set_threshold(512.0)
    matrix = keras_alt.verify(model, x, engines=("litert", "tflm"), verbose=False)

    assert matrix["litert"].further == []
    kernels, (sums,) = matrix["tflm"].explanation, matrix["tflm"].further
    assert (kernels.operations, sums.operations) == (["convolve"], ["add"])
    assert "double" in kernels.explaining and "half_away" in sums.explaining
    assert "half_up" not in sums.explaining and sums.differing == sums.differing_ties > 0
    assert "tflm, by its own codes in front also at sum" in str(matrix)


def test_all_engines_are_listed(few_engines, rng, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "tflite_micro" else find(name, *rest),
    )
    model, x = small(rng, "litert")
    matrix = keras_alt.verify(model, x, engines="all", verbose=False)

    assert [row.engine for row in matrix.rows] == list(ENGINES)
    assert matrix["tflm"].install == "pip install 'keras-alt[tflm]'"
    assert "does not compute by the rules of target 'litert'" in matrix["qonnx"].refusal
    lines = str(matrix).splitlines()
    assert "tflm is not installed: pip install 'keras-alt[tflm]'" in lines
    assert sum(line.startswith("qonnx does not compute this model: ") for line in lines) == 1
    assert [line.split()[0] for line in lines[2 : 2 + len(ENGINES)]] == list(ENGINES)
    assert not keras_alt.verify(model, x, engines=["qonnx"], verbose=False)  # nothing was computed


def test_keras_computes_each_batch_once_for_all_engines(rng, monkeypatch):
    monkeypatch.setitem(ENGINES, "integer again", IntegerEngine)
    batches, given = Samples.batches, []
    monkeypatch.setattr(
        Samples, "batches", lambda self: (given.append(b) or b for b in batches(self))
    )
    model, x = small(rng, "paper")

    assert keras_alt.verify(
        model, x, engines=["integer", "integer again"], batch_size=5, verbose=False
    )
    assert [len(batch.arrays[0]) for batch in given] == [5, 5, 5, 1]


def test_an_engine_that_no_rule_explains_is_told(rng, monkeypatch):
    class Wrong(IntegerEngine):
        def compute(self, arrays, codes):
            values = super().compute(arrays, codes)
            for position in self.program.outputs:
                values[position] = values[position] + 2
            return values

    monkeypatch.setitem(ENGINES, "integer", Wrong)
    model, x = small(rng, "litert")
    row = keras_alt.verify(model, x, engines=["integer"], batch_size=5, verbose=False)["integer"]

    assert row.result.max_lsb == 2
    assert row.explanation.explaining == []
    assert row.explanation.differing == row.explanation.total == row.result.total
    assert "None of the known rules explains its codes in dense layers" in str(row.explanation)


def test_the_first_difference_may_come_in_a_later_batch(rng, monkeypatch):
    calls = []

    class Late(IntegerEngine):
        def compute(self, arrays, codes):
            calls.append(len(codes[0]))
            values = super().compute(arrays, codes)
            (end,) = self.program.outputs
            moved = end if len(calls) < 3 else self.relu
            values[moved] = values[moved] + 1
            return values

    model, x = small(rng, "litert")
    reading = keras_alt.integer.read(model)
    Late.relu = next(p for p in reading.taps.values() if p not in reading.program.inputs)
    monkeypatch.setitem(ENGINES, "integer", Late)
    row = keras_alt.verify(model, x, engines=["integer"], batch_size=4, verbose=False)["integer"]

    first = row.result.first_difference
    assert row.explanation.name == first.name
    assert (row.explanation.differing, row.explanation.total) == (first.mismatches, first.total)


def test_codes_behind_float_layers_have_no_explanation(rng, monkeypatch):
    inputs = keras.Input((6, 6, 3))
    x = L.LayerNormalization()(L.Conv2D(4, 3)(inputs))
    model, x = quantized(keras.Model(inputs, L.Dense(3)(L.Flatten()(x))), rng, "onnx")
    installed("onnx", "onnxruntime")
    matrix = keras_alt.verify(model, x, engines=["onnxruntime", "integer"], verbose=False)

    assert matrix["onnxruntime"].result
    assert "float layers layer_normalization" in matrix["integer"].refusal


def test_wrong_names_and_inputs_are_errors(rng, tmp_path):
    model, x = small(rng, "litert")
    with pytest.raises(ValueError, match="Received: engine='tpu'"):
        keras_alt.verify(model, x, engines=["integer", "tpu"])
    with pytest.raises(ValueError, match="'all' or a list"):
        keras_alt.verify(model, x, engines="integer")
    with pytest.raises(ValueError, match="proof of one engine"):
        keras_alt.verify(model, x, engines="all", bundle=tmp_path / "bundle")
    with pytest.raises(ValueError, match="must be finite"):
        keras_alt.verify(model, np.nan * sample(model, rng, 2), engines="all")
