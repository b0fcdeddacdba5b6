"""Files with float layers between quantizers."""

import exported
import island_zoo
import keras
import numpy as np
import pytest
from conftest import EAGER, outputs
from island_zoo import AROUND, ISLANDS
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.export import to_integers, to_litert

NETWORKS = {**{name: make for name, (make, _) in ISLANDS.items()}, **AROUND}
QUICK = ("two_loops", "gate_that_passes_by", "float_that_leaves", "embedding")
pytestmark = pytest.mark.tensorflow_only


def quantized(make, rng, target):
    model = keras_alt.quantize_model(make(), QuantizeConfig(target=target))
    x = island_zoo.inputs_of(model, rng)
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


def assert_exact_with_islands(model, x, engine):
    """Integers are exact, and a float layer moves a code by one at most."""
    result = keras_alt.verify(model, x, engine=engine, verbose=False)
    assert result, str(result)
    assert result.first_difference is None, str(result)
    assert {row.name for row in result.behind}.isdisjoint(["input_layer/input"])
    assert max((row.max_lsb for row in result.behind), default=0) <= 1, str(result)


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.full) for n in NETWORKS]
)
def test_litert_files_hold_islands(name, rng, tmp_path):
    model, x = quantized(NETWORKS[name], rng, "litert")
    model.compile(keras_alt.optimizers.alt(), "mse", run_eagerly=EAGER)
    y = keras.tree.pack_sequence_as(model.output, outputs(model, x))
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    assert_exact_with_islands(keras.models.load_model(tmp_path / "model.keras"), x, "litert")


def test_the_outputs_of_a_litert_file_are_those_of_the_model(rng, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    model, x = quantized(island_zoo.float_that_leaves, rng, "litert")
    file = interpreter.Interpreter(to_litert(model, tmp_path / "model.tflite"))
    (codes,) = integer.quantize_inputs(integer.read(model), x[:1])
    runner = file.get_signature_runner()

    computed = runner(**{model.inputs[0].name: codes.astype(np.int8)})

    for name, value in zip(model.output_names, model(x[:1], training=False), strict=True):
        scale, zero = runner.get_output_details()[name]["quantization"]
        result = (computed[name] - np.float32(zero)) * (scale or 1.0)
        np.testing.assert_allclose(result, value, atol=1e-6)


def test_onnx_files_hold_islands(rng):
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, name="c")(L.Softmax(name="softmax")(L.Conv2D(4, 3, name="b")(inputs)))
    last = L.Activation("softmax", name="last")(x)
    model = keras.Model(inputs, [L.Dense(4)(L.Flatten()(last)), L.Activation("tanh")(x)])
    assert_exact_with_islands(*exported.quantized(model, rng, "onnx"), "onnxruntime")


def test_engines_of_integers_name_the_islands(rng, tmp_path):
    model, x = quantized(ISLANDS["two_loops"][0], rng, "paper")
    with pytest.raises(ValueError, match="float layers lstm, gru"):
        to_integers(model, tmp_path / "integers")
    with pytest.raises(ValueError, match="float layers lstm, gru"):
        keras_alt.verify(model, x, verbose=False)


def test_a_float_layer_without_an_operator_is_named_with_the_cause(rng, tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.ops.argmax(L.Conv2D(4, 3)(inputs), axis=-1))
    model, _ = exported.quantized(model, rng, "litert")
    with pytest.raises(ValueError, match="layer 'argmax.*BitwiseAnd"):
        to_litert(model, tmp_path / "model.tflite")
