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
for path in sys.argv[1:]:
    with np.load(f"{path}/inputs.npz") as file:
        inputs = {name: file[name] for name in file.files}
    function = tf.saved_model.load(path).signatures["serving_default"]
    np.savez(f"{path}/outputs.npz", **{k: v.numpy() for k, v in function(**inputs).items()})
"""


def small():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(models.conv_block(inputs, 4))))


def with_layers_that_train_by_default():
    return models.augmented(small())


def quantized(make, rng, **options):
    model = keras_alt.quantize_model(randomize(make(), rng), QuantizeConfig(**options))
    x = sample(model, rng, 12)
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


def computed_alone(scratch, *saved):
    """Return the outputs of folders in a process that has TensorFlow, but no Keras.

    Args:
        scratch: folder where the process runs.
        *saved: `(folder, model, inputs)` for each.
    """
    for path, model, x in saved:
        names = [tensor.name for tensor in model.inputs]
        np.savez(f"{path}/inputs.npz", **dict(zip(names, keras.tree.flatten(x), strict=True)))
    paths = [path for path, _, _ in saved]
    process = run_alone(scratch, "-c", RUN, *paths, without=("keras",))
    assert process.returncode == 0, process.stderr
    return [_one_output(path) for path in paths]


def _one_output(path):
    with np.load(f"{path}/outputs.npz") as file:
        (name,) = file.files
        return file[name]


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    "makes",
    [
        (models.siamese, with_layers_that_train_by_default),
        pytest.param((models.residual, models.float_inside), marks=pytest.mark.full),
    ],
    ids=lambda makes: " and ".join(make.__name__ for make in makes),
)
def test_outputs_are_the_same_bits_without_keras(makes, rng, tmp_path):
    saved = []
    for make in makes:
        model, x = quantized(make, rng)
        saved.append((to_saved_model(model, tmp_path / make.__name__), model, x))

    for values, (_, model, x) in zip(computed_alone(tmp_path, *saved), saved, strict=True):
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

    (values,) = computed_alone(tmp_path, (path, model, x))
    np.testing.assert_array_equal(np.ldexp(values, -exponent), codes)


@pytest.mark.full
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
    (values,) = computed_alone(tmp_path, (path, model, x))
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
