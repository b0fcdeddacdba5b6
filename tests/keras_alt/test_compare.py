"""Two models or files are compared code by code, and the result says whether they agree."""

from xml.etree import ElementTree

import keras
import layer_zoo
import models
import numpy as np
import pytest
from conftest import outputs, randomize, sample
from exported import quantized
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.comparison import Accuracies, Change, Comparison
from keras_alt.export import to_litert, to_onnx, to_qonnx
from keras_alt.opening import pairs_of

pytestmark = pytest.mark.tensorflow_only
EXPORTS = {
    "litert": (to_litert, "model.tflite", "ai_edge_litert"),
    "tflm": (to_litert, "model.tflite", "tflite_micro"),
    "onnx": (to_onnx, "model.onnx", "onnxruntime"),
    "paper": (to_qonnx, "model.onnx", "qonnx"),
}


def exported(make, target, rng, folder, **widths):
    """Return a quantized model, its inputs and its file."""
    export, name, module = EXPORTS[target]
    pytest.importorskip(module)
    model, x = quantized(randomize(make(), rng), rng, target, **widths)
    return model, x, export(model, folder / name)


def test_every_file_has_the_codes_of_its_model(rng, tmp_path):
    for target in EXPORTS:
        folder = tmp_path / target
        folder.mkdir()
        model, x, path = exported(line, target, rng, folder)
        result = keras_alt.compare(model, path, x, batch_size=5)

        assert result and result.passed
        assert (result.changed, result.total, result.largest) == (0, len(x) * 5, 0)
        assert [change.changed for change in result.tensors] == [0] * len(result.tensors)
        assert len(result.tensors) in (2, 3)  # TFLM shows no inputs
        assert result.first_change is None and result.accuracies is None


SHAPES = ("depthwise_oblong", "add", "average_pool_signed", "concatenate")


def shapes():
    return layer_zoo.network(*SHAPES, size=(6, 6, 4))


def line():
    inputs = keras.Input((6, 3))
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(L.Conv1D(4, 3, activation="relu")(inputs))))


def island():
    inputs = keras.Input((6, 6, 3))
    x = L.LayerNormalization()(L.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))


@pytest.mark.parametrize(
    ("make", "target"),
    [(shapes, "litert"), (shapes, "onnx"), (shapes, "paper"), (island, "onnx")],
)
def test_tensors_of_all_shapes_are_found_in_files(make, target, rng, tmp_path):
    model, x, path = exported(make, target, rng, tmp_path)
    result = keras_alt.compare(model, path, x)

    assert result, str(result)
    assert result.first_change is None
    assert len(result.tensors) > 0.8 * len({*keras_alt.integer.read(model).taps.values()})


@pytest.mark.parametrize("types", ["uint8", "int8", "float32"])
def test_bytes_are_given_as_they_are(types, rng, tmp_path):
    pytest.importorskip("ai_edge_litert")
    inputs = keras.Input((6, 6, 3), dtype="uint8")
    y = L.Dense(3)(L.Flatten()(L.Conv2D(4, 3)(L.Rescaling(1 / 128)(inputs))))
    model = keras_alt.quantize_model(
        keras.Model(inputs, L.Softmax()(y)), QuantizeConfig(target="litert", inputs="uint8")
    )
    x = rng.integers(0, 256, (8, 6, 6, 3))
    keras_alt.calibrate(model, x.astype("uint8"), verbose=False)
    path = to_litert(model, tmp_path / "model.tflite", inputs=types, outputs=types)

    assert keras_alt.compare(model, path, x)
    assert keras_alt.compare(path, path, x.astype("uint8"))


@pytest.mark.parametrize("target", ["litert", "onnx"])
def test_inputs_by_name_and_several_outputs(target, rng, tmp_path):
    model, x, path = exported(models.two_outputs, target, rng, tmp_path)
    model.save(tmp_path / "model.keras")
    for first, second in ((model, path), (path, tmp_path / "model.keras")):
        result = keras_alt.compare(first, second, x)
        assert result and result.total == len(x["image"]) * (5 + 1)
    with pytest.raises(ValueError, match="must have the keys"):
        keras_alt.compare(path, path, {"image": x["image"]})


def test_one_file_on_two_engines_differs_where_verify_says(rng, tmp_path):
    pytest.importorskip("tflite_micro")
    model, x, path = exported(models.residual, "litert", rng, tmp_path)
    labels = rng.integers(0, 5, len(x))
    result = keras_alt.compare(path, path, x, labels, engines=("litert", "tflm"))
    row = keras_alt.verify(model, x, engines=["tflm"], verbose=False)["tflm"]

    first = row.result.first_difference
    assert not result.passed
    assert (result.changed, result.largest) == (row.result.mismatches, row.result.max_lsb)
    assert (result.first_change.name, result.first_change.changed) == (first.name, first.mismatches)
    assert f"first at {first.name}" in str(result) and str(result).endswith("failed")
    again = keras_alt.compare(path, path, x, labels, engines=("litert", "tflm"), allowed_drop=1.0)
    assert again.passed and again.changed == result.changed


def test_accuracies_are_those_of_predictions(rng, tmp_path):
    model, x, path = exported(models.residual, "litert", rng, tmp_path)
    other, _ = quantized(randomize(models.residual(), rng), rng, "litert", weights=3)
    labels = rng.integers(0, 5, len(x))
    found = keras_alt.compare(path, other, x, labels).accuracies

    right = [outputs(m, x)[0].argmax(-1) == labels for m in (model, other)]
    difference = right[1].astype(float) - right[0]
    assert (found.first, found.second) == (right[0].mean(), right[1].mean())
    assert found.difference == pytest.approx(difference.mean())
    assert found.standard_error == pytest.approx(difference.std(ddof=1) / np.sqrt(len(x)))


def test_codes_on_other_grids_are_compared_by_what_they_are_worth(tmp_path, rng):
    inputs = keras.Input((4,))
    model, _ = quantized(keras.Model(inputs, L.Dense(3, name="head")(inputs)), rng, "onnx")
    finer = keras.models.clone_model(model)
    finer.set_weights(model.get_weights())
    for one, threshold in ((model, 64.0), (finer, 32.0)):
        keras_alt.quantizers(one)["head/output"].set_threshold(threshold)
    x = sample(model, rng, 64)
    result = keras_alt.compare(model, finer, x)

    values = [outputs(one, x)[0] for one in (model, finer)]
    assert result.changed == np.count_nonzero(values[0] != values[1]) > 0
    assert result.largest == 0.5  # of the first's steps


def test_a_wrong_use_is_an_error(rng, tmp_path):
    model, x, path = exported(models.residual, "litert", rng, tmp_path)
    text = tmp_path / "model.txt"
    for wrong, error, message in (
        ({"second": text}, ValueError, "`second` must be a quantized model or a file of type"),
        (
            {"first": tmp_path / "none.onnx"},
            FileNotFoundError,
            "`first` must be a file that exists",
        ),
        ({"engines": ("tflm", None)}, ValueError, "Keras computes `first`"),
        ({"engines": (None, "qonnx")}, ValueError, "engine of `second`.*Received: engine='qonnx'"),
        ({"engines": ("tflm",)}, ValueError, "one for each side"),
        ({"labels": np.zeros(3, int)}, ValueError, "Received: 3 for 16 samples"),
        ({"labels": np.zeros((16, 5))}, ValueError, "labels of shape"),
        ({"allowed_drop": 0.1}, ValueError, "needs `labels`"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"x": x[:0]}, ValueError, "Received: shapes"),
    ):
        arguments = {"first": model, "second": path, "x": x, **wrong}
        with pytest.raises(error, match=message):
            keras_alt.compare(**arguments)


RESULT = Comparison("a, litert, 1", "b, tflm, 2", 4, [Change("y", 3, 12, 1.0)], [])
RIGHT = Accuracies.of(np.array([1, 1, 1, 0]), np.array([1, 0, 1, 0]))


@pytest.mark.parametrize(
    ("result", "failures"),
    [
        (RESULT, ["output codes"]),
        (Comparison("a", "b", 4, [Change("y", 0, 12, 0.0)], []), []),
        (Comparison("a", "b", 4, RESULT.outputs, [], RIGHT), ["output codes"]),
        (Comparison("a", "b", 4, RESULT.outputs, [], RIGHT, 0.3), []),
        (Comparison("a", "b", 4, RESULT.outputs, [], RIGHT, 0.2), ["accuracy"]),
    ],
)
def test_the_junit_file_fails_where_the_comparison_does(result, failures, tmp_path):
    result.to_junit(tmp_path / "codes.xml")
    suite = ElementTree.parse(tmp_path / "codes.xml").getroot().find("testsuite")
    cases = suite.findall("testcase")

    assert [c.get("name") for c in cases if c.find("failure") is not None] == failures
    assert result.passed == bool(result) == (not failures)
    assert suite.get("tests") == str(len(cases)) and suite.get("failures") == str(len(failures))
    assert result.first in cases[0].find("system-out").text


def test_the_junit_file_is_written_whole(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder of a file to write must exist"):
        RESULT.to_junit(tmp_path / "none" / "codes.xml")
    assert list(tmp_path.iterdir()) == []


def test_tensors_belong_together_by_quantizer_and_order():
    first = ["in:0", "a/inputs:3", "a/inputs:4", "b:5", "alone:6"]
    second = ["in:0", "a/inputs:13", "a/inputs:14", "b:7", "b:9"]
    assert pairs_of(first, second) == [
        ("in", "in:0", "in:0"),
        ("a/inputs (1)", "a/inputs:3", "a/inputs:13"),
        ("a/inputs (2)", "a/inputs:4", "a/inputs:14"),
    ]
