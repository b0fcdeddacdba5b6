"""The commands do what the functions do."""

import json
import pathlib
import shlex
import xml.etree.ElementTree as ET

import keras
import numpy as np
import pytest
from command_line import make_files, runner, succeed

import keras_alt
from keras_alt.cli import arguments, commands
from keras_alt.quantizer import quantizers

ROOT = pathlib.Path(__file__).parents[3]
COMMANDS = (  # in order of work
    *("inspect", "quantize", "report", "export", "verify", "compare", "deploy"),
    *("sensitivity", "allocate"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with a float model, data, and the quantized model of the command."""
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture
def run(capsys):
    return runner(capsys)


def example(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        commands.main([command, "--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "exit status: 0 if all is well" in told
    return shlex.split(told.split("example: ")[1])[1:]


def test_the_examples_of_the_help_run_one_after_another(files, run, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("model.keras", "data.npz"):
        (tmp_path / name).write_bytes((files / name).read_bytes())

    for command in COMMANDS:
        words = example(command, capsys, monkeypatch)
        assert words[0] == command
        if command == "compare":
            pytest.importorskip("ai_edge_litert")
        succeed(run(*words))

    assert {p.name for p in pathlib.Path("exported").iterdir()} == {"q.tflite", "c"}
    deployed = {"quantized.keras", "report.html", "exported"}
    assert {p.name for p in pathlib.Path("deployed").iterdir()} == deployed
    assert ET.parse("codes.xml").getroot().get("failures") == "0"
    assert "conv2d" in pathlib.Path("proof.html").read_text(encoding="utf-8")
    page = pathlib.Path("report.html").read_text(encoding="utf-8")
    assert "keras-alt report q.keras --data data.npz --html report.html" in page
    assert "measured on 40 samples" in page


@pytest.mark.check
def test_the_documented_commands_parse_and_leave_none_out():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    shown = [line for line in lines if line.startswith("keras-alt ")]

    parsed = [arguments.parser().parse_args(shlex.split(line, comments=True)[1:]) for line in shown]

    assert {options.command for options in parsed} == set(COMMANDS)


def test_quantize_gives_the_model_of_the_functions(files):
    model = keras.models.load_model(files / "model.keras")
    config = keras_alt.QuantizeConfig(target="litert")
    x = np.load(files / "x.npy")
    expected = keras_alt.quantize_model(model, config, calibration_data=x)

    written = keras.models.load_model(files / "q.keras")

    assert {n: q.threshold for n, q in quantizers(written).items()} == {
        n: q.threshold for n, q in quantizers(expected).items()
    }
    np.testing.assert_array_equal(written(x), expected(x))


def test_what_is_quantized_is_proven(files, run):
    out = succeed(run("verify", files / "q.keras", "--data", files / "x.npy", "--samples", 20))
    assert "20 samples: equal" in out

    told = json.loads(
        succeed(
            run(
                *("verify", files / "q.keras", "--data", files / "data.npz", "--json"),
                *("--engines", "integer"),
            )
        )
    )
    assert told["engines"]["integer"]["mismatches"] == 0
    assert told["engines"]["integer"]["total"] == 120


def test_a_proof_is_written_as_a_bundle(files, run, tmp_path):
    given = ["--data", files / "x.npy", "--engines", "integer", "--bundle", tmp_path / "proof"]
    succeed(run("verify", files / "q.keras", *given))

    assert (tmp_path / "proof" / "verify.py").is_file()


def test_the_report_is_written_as_page_and_as_card(files, run, tmp_path):
    rows = tmp_path / "sensitivity.json"
    succeed(run("sensitivity", files / "q.keras", "--data", files / "x.npy", "--output", rows))
    written = ["--html", tmp_path / "report.html", "--markdown", tmp_path / "README.md"]

    told = succeed(run("report", files / "q.keras", *written, "--sensitivity", rows))

    assert f"wrote {tmp_path / 'README.md'}" in told
    assert "library_name" in (tmp_path / "README.md").read_text(encoding="utf-8")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Only constants are measured" in page
    assert "Sensitivity to fewer bits" in page


def test_widths_and_layers_are_chosen(files, run, tmp_path):
    output = tmp_path / "q.keras"
    options = ["--weights", 4, "--activations", 6, "--inputs", "auto", "--skip", "dense*"]
    model, data = files / "model.keras", files / "data.npz"
    succeed(run("quantize", model, "--data", data, "--output", output, *options))

    told = json.loads(succeed(run("report", output, "--json")))

    formats = {row["name"]: row["format"] for row in told["quantizers"]}
    assert {"uint6", "int8"} <= set(formats.values())
    assert [row["reason"] for row in told["floats"]][:1] == ["left float by `skip`"]


@pytest.mark.parametrize("recipe", ["static", "retrain"])
def test_a_recipe_tells_its_steps(recipe, files, run, tmp_path):
    output = tmp_path / "q.keras"
    given = ["--data", files / "data.npz", "--output", output, "--recipe", recipe]
    out = succeed(run("quantize", files / "model.keras", *given, "--epochs", 1))

    assert "float  " in out
    written = keras.models.load_model(output, compile=False)
    assert all(quantizer.calibrated for quantizer in quantizers(written).values())


def test_inspect_tells_what_quantization_will_make(files, run):
    told = json.loads(succeed(run("inspect", files / "model.keras", "--json")))

    assert list(told) == ["litert", "tflm", "onnx", "hls"]
    assert told["onnx"]["floats"][0]["exports"]["to_onnx"] in ("float", "refused")
    written = {
        row["name"]
        for row in json.loads(succeed(run("report", files / "q.keras", "--json")))["quantizers"]
    }
    assert {row["name"] for row in told["litert"]["quantizers"]} == written
    text = succeed(run("inspect", files / "model.keras", "--target", "hls"))
    assert "conv2d" in text
    assert "float: the file computes it in float" in text


def test_inspect_tells_what_exporters_refuse(run, tmp_path):
    layers = [keras.layers.Dense(4), keras.layers.LayerNormalization(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((8,)), *layers]).save(tmp_path / "norm.keras")

    out = succeed(run("inspect", tmp_path / "norm.keras", "--target", "litert"))

    assert "to_integers refuses: 'layer_normalization', which stays float" in out


def test_a_format_of_another_target_needs_leave(files, run, tmp_path):
    given = [files / "q.keras", "--to", "saved_model", "qonnx", "--output", tmp_path / "files"]
    status, _, err = run("export", *given)
    assert status == 2
    assert err.startswith("keras-alt export: qonnx: ")
    assert "--retarget" in err
    assert not list(tmp_path.iterdir())

    pytest.importorskip("qonnx")
    data = ["--data", files / "x.npy"]
    out = succeed(run("export", *given, "--retarget", *data))
    assert "retargeted from 'litert' to 'hls'" in out
    assert (tmp_path / "files" / "q.qonnx.onnx").is_file()


def test_a_model_is_deployed_in_one_call(files, run, tmp_path):
    given = [
        "--data",
        files / "data.npz",
        "--to",
        "c",
        "integers",
        "saved_model",
        "--activations",
        6,
    ]

    out = succeed(run("deploy", files / "model.keras", *given, "--output", tmp_path / "all"))

    assert {path.name for path in (tmp_path / "all" / "exported").iterdir()} == {
        *("c", "integers", "saved_model")
    }
    assert "40 samples: equal" in out
    assert "accuracy on these 40 samples: float " in out
    assert 'id="engines"' in (tmp_path / "all" / "report.html").read_text(encoding="utf-8")
    written = quantizers(keras.models.load_model(tmp_path / "all" / "quantized.keras"))
    assert 6 in {q.format.bits for q in written.values()}


def test_other_files_are_told_apart(files, run, tmp_path):
    other, codes = tmp_path / "other.keras", tmp_path / "codes.xml"
    given = ["--data", files / "data.npz", "--target", "litert", "--scale", 0.3]
    succeed(run("quantize", files / "model.keras", "--output", other, *given))

    pair = ["compare", files / "q.keras", other, "--data", files / "data.npz"]
    status, out, err = run(*pair, "--junit", codes)
    assert (status, err) == (1, "")
    assert "failed" in out
    assert ET.parse(codes).getroot().get("failures") == "1"

    told = json.loads(succeed(run(*pair, "--labels", "--allowed-drop", 1, "--json")))
    assert told["passed"]
    assert told["accuracies"]["first"] <= 1


@pytest.mark.parametrize(
    "form", [lambda y: np.eye(3)[y], lambda y: y[:, None], lambda y: y.astype("float32")]
)
def test_labels_may_be_one_hot_or_a_column(form, files, run, tmp_path):
    y = np.load(files / "y.npy")
    np.save(tmp_path / "y.npy", form(y))
    pair = ("compare", files / "q.keras", files / "q.keras", "--data", files / "x.npy", "--json")

    expected, told = (
        json.loads(succeed(run(*pair, "--labels", path)))["accuracies"]
        for path in (files / "y.npy", tmp_path / "y.npy")
    )

    assert told == expected


def test_widths_follow_from_a_sensitivity(files, run, tmp_path):
    table, overrides, q = (tmp_path / n for n in ("s.json", "overrides.json", "q.keras"))
    data = ["--data", files / "data.npz"]
    given = ["--labels", "--bits", 3, 5, "--samples", 20, "--json", "--output", table]
    out = json.loads(succeed(run("sensitivity", files / "q.keras", *data, *given)))
    assert out == json.loads(table.read_text())
    assert {row["bits"] for row in out["rows"]} == {3, 5, 8}
    assert all(row["loss"] > 0 for row in out["rows"])

    size = keras_alt.Sensitivity.from_dict(out).totals({}).bytes
    told = succeed(run("allocate", table, "--size", "80%", "--output", overrides))
    assert f"now: {size} bytes" in told
    succeed(run("quantize", files / "model.keras", *data, "--overrides", overrides, "--output", q))

    report = keras_alt.report(keras.models.load_model(q))
    assert report.weight_bytes["quantized"] <= 0.8 * size
    chosen = json.loads(succeed(run("allocate", table, "--bit-operations", "100%", "--json")))
    assert set(chosen) == set(json.loads(overrides.read_text())) == {"conv2d", "dense"}


def test_images_are_resized_and_scaled(run, files, tmp_path, rng):
    image = pytest.importorskip("PIL.Image")
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 256, (9, 7, 3), dtype="uint8")
            image.fromarray(pixels).save(tmp_path / "images" / label / f"{i}.png")
    given = ["--data", tmp_path / "images", "--scale", 0.01, "--offset", -1, "--samples", 5]

    output = tmp_path / "q.keras"
    succeed(run("quantize", files / "model.keras", "--output", output, *given))

    thresholds = {n: q.threshold for n, q in quantizers(keras.models.load_model(output)).items()}
    assert 0.5 < next(iter(thresholds.values())) < 3


def test_data_may_come_from_a_function(files, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_samples.py").write_text(
        "import numpy as np\ndef make():\n    return np.ones((5, 6, 6, 1)), np.zeros(5, int)\n"
    )
    given = ["--data", "my_samples:make", "--engines", "integer"]
    assert "5 samples: equal" in succeed(run("verify", files / "q.keras", *given))
