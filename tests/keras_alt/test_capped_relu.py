"""ReLUs with a cap for each channel: training, integers, islands and files."""

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs
from keras import layers as L
from layer_zoo import capped

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig, Quantizer
from keras_alt.integer import read
from keras_alt.layers import CappedReLU
from keras_alt.numerics.rounding import ROUNDINGS, STEPPED
from keras_alt.record import record_of

INT8, UINT8 = FixedPoint(8), FixedPoint(8, signed=False)


def network(relu=capped, head=None):
    inputs = keras.Input((6, 6, 4))
    x = relu(L.Conv2D(5, 3, name="conv")(inputs))
    return keras.Model(inputs, x if head is None else head(x))


def quantized(model, rng, target="litert", **options):
    x = rng.normal(0, 3, size=(16, *model.input_shape[1:])).astype("float32")
    q = keras_alt.quantize_model(model, QuantizeConfig(target=target, **options))
    keras_alt.calibrate(q, x, verbose=False)
    return q, x


def operations(model):
    return [step.operation for step in read(model).program.steps]


def with_caps(*caps):
    def relu(x):
        layer = CappedReLU(name="capped")
        layer.build(x.shape)
        layer.set_weights([np.broadcast_to(np.float32(caps), x.shape[-1:])])
        return layer(x)

    return relu


@pytest.mark.backend
def test_it_clips_each_channel(rng):
    x = rng.normal(0, 9, (8, 3)).astype("float32")
    layer = CappedReLU()
    layer.build(x.shape)
    layer.set_weights([np.array([1.0, 6.0, np.inf])])
    expected = np.minimum(np.maximum(x, 0), [1.0, 6.0, np.inf])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), expected)
    assert not layer.trainable_variables


@pytest.mark.parametrize("policy", ["float32", keras.DTypePolicy("mixed_float16")])
def test_its_configuration_makes_it_again(policy):
    layer = CappedReLU(name="cap", dtype=policy, trainable=False)
    again = CappedReLU.from_config(layer.get_config())
    assert (again.name, again.trainable, again.dtype_policy) == ("cap", False, layer.dtype_policy)


@pytest.mark.backend
@pytest.mark.parametrize("rounding", sorted(set(ROUNDINGS) - set(STEPPED)))
@pytest.mark.parametrize("format", [INT8, UINT8, FixedPoint(4), FixedPoint(12, narrow=True)])
def test_integers_are_those_of_training_with_every_rounding(rounding, format, rng):
    inputs = keras.Input((64,))
    x = capped(Quantizer(FixedPoint(12), initial_threshold=64.0, name="x__output")(inputs))
    rounded = Quantizer(format, initial_threshold=8.0, name="y__output")
    outputs = rounded(x, rounding=rounding)
    q = keras.Model(inputs, outputs)
    values = rng.normal(0, 16, (256, 64)).astype("float32")
    assert keras_alt.verify(q, values, engine="integer", verbose=False).mismatches == 0
    assert operations(q) == ["requantize", "constant_tensor", "minimum"]


@pytest.mark.backend
@pytest.mark.parametrize("target", ["paper", "litert", "onnx", "hls"])
@pytest.mark.parametrize("bits", [3, 8, 12])
def test_integers_are_those_of_training_under_every_target(target, bits, rng):
    bits = 8 if target == "litert" else bits
    q, x = quantized(network(head=L.Dense(3)), rng, target, activations=bits)
    assert keras_alt.verify(q, x, engine="integer", verbose=False).mismatches == 0
    assert keras_alt.report(q).floats == []


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    ("target", "engine", "bits"),
    [("onnx", "onnxruntime", bits) for bits in (3, 4, 7, 8, 12, 16)] + [("paper", "qonnx", 4)],
)
def test_caps_have_the_width_of_the_quantizer_in_files(target, engine, bits, rng):
    pytest.importorskip(engine)
    q, x = quantized(network(head=L.Dense(3)), rng, target, activations=bits)
    assert keras_alt.verify(q, x, engine=engine, verbose=False)


@pytest.mark.parametrize("caps", [(6.0,), (np.inf,), (1e30,), (2.0**-30,)])
def test_caps_of_one_code_are_a_bound(caps, rng):
    q, x = quantized(network(with_caps(*caps), L.Dense(3)), rng)
    assert "minimum" not in operations(q)
    assert keras_alt.verify(q, x, engine="integer", verbose=False).mismatches == 0


def test_one_quantizer_rounds_the_sum(rng):
    q, _ = quantized(network(head=L.Dense(3)), rng)
    names = [layer.name for layer in q.layers if isinstance(layer, Quantizer)]
    assert "conv__output" not in names
    assert read(q).program.steps[2].operation == "requantize"


def test_a_capped_relu_in_front_and_one_at_the_end(rng):
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, capped(L.Dense(3)(capped(inputs))))
    q, x = quantized(model, rng)
    assert keras_alt.report(q).floats == []
    assert keras_alt.verify(q, x, engine="integer", verbose=False).mismatches == 0


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(("target", "engine"), [("litert", "litert"), ("onnx", "onnxruntime")])
def test_between_float_layers_it_is_float_in_files(target, engine, rng):
    norm = lambda x: L.LayerNormalization()(capped(L.LayerNormalization()(x)))  # noqa: E731
    q, x = quantized(network(norm, L.Dense(3)), rng, target, skip=("capped_re_lu*",))
    assert any(row.name.startswith("capped") for row in keras_alt.report(q).floats)
    assert keras_alt.verify(q, x, engine=engine, verbose=False)


def test_without_a_quantizer_behind_it_is_float(rng):
    q, x = quantized(
        network(with_caps(0.5, 1, 2, 4, 8)), rng, overrides={"capped": {"activations": None}}
    )
    assert "capped" in read(q).exit_layers
    assert keras_alt.verify(q, x, engine="integer", verbose=False).mismatches == 0


@pytest.mark.backend
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_caps_survive_files_and_retargeting(ending, rng, tmp_path):
    q, x = quantized(network(with_caps(0.5, 1, 2, 4, 8), L.Dense(3)), rng)
    q.save(tmp_path / f"m.{ending}")
    loaded = keras.models.load_model(tmp_path / f"m.{ending}")
    assert_same_outputs(q, loaded, x)

    retargeted = keras_alt.retarget(loaded, "onnx", calibration_data=x)
    np.testing.assert_array_equal(retargeted.get_layer("capped").upper_bounds(), [0.5, 1, 2, 4, 8])
    assert record_of(retargeted).config.target == "onnx"
    assert keras_alt.verify(retargeted, x, engine="integer", verbose=False).mismatches == 0


@pytest.mark.tensorflow_only
def test_hls4ml_refuses_caps_by_name(rng):
    pytest.importorskip("onnx")
    q, _ = quantized(network(with_caps(0.5, 1, 2, 4, 8), L.Dense(3)), rng, "hls")
    (reason,) = keras_alt.report(q).refusals["to_hls4ml"]
    assert "'capped'" in reason
    assert "caps" in reason


def test_what_other_layers_read_is_float(rng):
    inputs = keras.Input((6,))
    x = Quantizer(INT8, initial_threshold=4.0)(inputs)
    q = keras.Model(inputs, Quantizer(INT8, initial_threshold=4.0)(L.Flatten()(capped(x))))
    assert read(q).island_layers == ["capped_re_lu", "flatten"]
