"""Networks of the kinds that run on devices go all the way to LiteRT and ONNX Runtime."""

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs, outputs, pairs, randomize
from small_networks import NETWORKS

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.export import to_litert, to_onnx

interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="needs the extra `litert`")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
pytestmark = pytest.mark.tensorflow_only
ENGINES = {"litert": "litert", "onnx": "onnxruntime"}


def long(name, target):
    """Mark the networks that take long and have a relative among the others."""
    names = ("yolo", "gru_steps", "lstm_steps", "unet_bilinear", "efficientnet")
    return [pytest.mark.full] if name in names else []


def trained(name, target, rng):
    """Return a network that is quantized, calibrated and trained by one step, and its inputs."""
    network = NETWORKS[name]
    model = randomize(network.make(), rng)
    x = network.inputs(model, rng)
    y = keras.tree.pack_sequence_as(model.output, outputs(model, x))
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target=target, **network.options))
    keras_alt.calibrate(quantized, x, verbose=False)
    # To trace a step takes ten times as long as to run it.
    quantized.compile(keras_alt.optimizers.alt(batch_size=len(x)), "mse", run_eagerly=True)
    history = quantized.fit(x, y, batch_size=len(x), verbose=0).history
    assert quantized.output_names == model.output_names
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(value).all() for value in quantized.get_weights())
    return quantized, x


def computed(model, target, folder, x, **rules):
    """Write the file that takes floats and gives floats; return `{name of an output: values}`."""
    if target == "onnx":
        path = to_onnx(model, folder / "model.onnx", **rules)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (name,) = [tensor.name for tensor in session.get_inputs()]
        names = [tensor.name for tensor in session.get_outputs()]
        return dict(zip(names, session.run(names, {name: x}), strict=True))
    path = to_litert(model, folder / "model.tflite", "float32", "float32", **rules)
    runner = interpreter.Interpreter(path).get_signature_runner()
    (name,) = runner.get_input_details()
    rows = [runner(**{name: row}) for row in np.split(x, len(x))]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def assert_proven(model, x, target, values):
    """The engine computes the trained integers at every output; return the result."""
    result = keras_alt.verify(model, x, engine=ENGINES[target], verbose=False)
    assert result, str(result)
    assert result.first_difference is None, str(result)
    # A loop rounds in every engine otherwise, so that a code behind it may be the next one.
    assert max((row.max_lsb for row in result.behind), default=0) <= 1, str(result)
    program = integer.read(model).program
    ends = {program.tensors[position].name for position in program.outputs}
    codes = sum(row.total for row in result.outputs if row.name in ends)
    assert codes == sum(value.size for value in values)
    return result


@pytest.mark.parametrize(("name", "target"), pairs(NETWORKS, list(ENGINES), long))
def test_a_network_goes_all_the_way(name, target, rng, tmp_path):
    quantized, x = trained(name, target, rng)
    floats = {row.name for row in keras_alt.report(quantized).floats}
    assert floats <= NETWORKS[name].floats

    quantized.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_outputs(quantized, loaded, x)

    values = outputs(loaded, x)
    assert all(np.ptp(value) > 0 for value in values)
    results = computed(loaded, target, tmp_path, x)
    assert sorted(results) == sorted(quantized.output_names)
    if not assert_proven(loaded, x, target, values).floats:
        for output, value in zip(quantized.output_names, values, strict=True):
            np.testing.assert_allclose(results[output], value, rtol=0, atol=1e-6 * bool(floats))


@pytest.mark.parametrize("target", ENGINES)
def test_a_denoiser_has_a_file_for_every_size(target, rng, tmp_path):
    quantized, _ = trained("denoiser", target, rng)
    for sizes in (12, 20), (7, 9):
        x = NETWORKS["denoiser"].inputs(quantized, rng, 4, sizes)
        values = outputs(quantized, x)
        results = computed(quantized, target, tmp_path, x, input_shape=(*sizes, 1))
        np.testing.assert_array_equal(*results.values(), *values)
        assert_proven(quantized, x, target, values)
