"""A SavedModel computes what the Keras model computes, without this package."""

import importlib

import keras
import models
import numpy as np
import pytest
from alone import run_alone
from conftest import outputs, randomize, sample
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.export import ExportError, to_saved_model

RUN = """
import sys
import numpy as np, tensorflow as tf
with np.load("inputs.npz") as file:
    inputs = {name: file[name] for name in file.files}
function = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
np.savez("outputs.npz", **{k: v.numpy() for k, v in function(**inputs).items()})
"""


def small():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(models.conv_block(inputs, 4))))


def quantized(make, rng, **options):
    model = keras_alt.quantize_model(randomize(make(), rng), QuantizeConfig(**options))
    x = sample(model, rng, 12)
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


def computed_alone(path, model, x, scratch):
    """Return the outputs of the folder in a process that has TensorFlow, but no Keras."""
    names = [tensor.name for tensor in model.inputs]
    inputs = dict(zip(names, keras.tree.flatten(x), strict=True))
    np.savez(scratch / "inputs.npz", **inputs)
    process = run_alone(scratch, "-c", RUN, path, without=("keras",))
    assert process.returncode == 0, process.stderr
    with np.load(scratch / "outputs.npz") as file:
        return [file[name] for name in sorted(file.files)]


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    "make",
    [
        models.siamese,
        pytest.param(models.residual, marks=pytest.mark.full),
        pytest.param(models.float_inside, marks=pytest.mark.full),
    ],
    ids=lambda m: m.__name__,
)
def test_outputs_are_the_same_bits_without_keras(make, rng, tmp_path):
    model, x = quantized(make, rng)

    path = to_saved_model(model, tmp_path / "saved")

    (values,) = computed_alone(path, model, x, tmp_path)
    np.testing.assert_array_equal(values, outputs(model, x)[0])


@pytest.mark.full
@pytest.mark.backend
def test_every_backend_writes_the_same_codes(rng, tmp_path):
    model, x = quantized(models.inverted_residual, rng, target="litert")
    reading = integer.read(model)
    program = reading.program
    (codes,) = integer.run(reading, x, verbose=False)
    exponent = program.tensors[program.outputs[0]].exponent

    path = to_saved_model(model, tmp_path / "saved")

    (values,) = computed_alone(path, model, x, tmp_path)
    np.testing.assert_array_equal(np.ldexp(values, -exponent), codes)


@pytest.mark.tensorflow_only
def test_operations_are_plain(rng, tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    model, x = quantized(small, rng)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((12, 5)), verbose=0)
    path = to_saved_model(model, tmp_path / "saved")

    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "saved/saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    assert functions
    assert not any(f.attr["_XlaMustCompile"].b for f in functions)
    (values,) = computed_alone(path, model, x, tmp_path)
    np.testing.assert_array_equal(values, outputs(model, x)[0])


@pytest.mark.tensorflow_only
def test_layers_that_train_by_default_do_not_in_the_file(rng, tmp_path):
    model, x = quantized(lambda: models.augmented(small()), rng)
    path = to_saved_model(model, tmp_path / "saved")
    (values,) = computed_alone(path, model, x, tmp_path)
    np.testing.assert_array_equal(values, outputs(model, x)[0])


def test_an_unfinished_model_is_an_error(rng, tmp_path):
    with pytest.raises(ExportError, match="keras_alt.calibrate"):
        to_saved_model(keras_alt.quantize_model(small()), tmp_path / "saved")
    with pytest.raises(ExportError, match="without any quantizer"):
        to_saved_model(small(), tmp_path / "saved")
    model, _ = quantized(small, rng, batch_norm="train")
    with pytest.raises(ExportError, match="FreezeBatchNorm"):
        to_saved_model(model, tmp_path / "saved")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over_or_in_part(rng, tmp_path, monkeypatch):
    model, _ = quantized(small, rng)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="new or empty"):
        to_saved_model(model, tmp_path / "full")

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(keras.export, "ExportArchive", fail)
    monkeypatch.setattr(keras.Model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        to_saved_model(model, tmp_path / "saved")
    assert [p.name for p in tmp_path.iterdir()] == ["full"]


def test_a_model_that_cannot_be_rebuilt_says_why(rng, tmp_path, monkeypatch):
    model, _ = quantized(small, rng)
    rebuilding = importlib.import_module("keras_alt.engines.on_tensorflow")
    monkeypatch.setattr(rebuilding, "SCRIPT", "raise SystemExit('no such layer')\n")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match="registered with `keras.saving`.*\n.*no such layer"):
        to_saved_model(model, tmp_path / "saved")
    assert not list(tmp_path.iterdir())
