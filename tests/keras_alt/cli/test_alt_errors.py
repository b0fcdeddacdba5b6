"""The commands tell in one line what is wrong with their input."""

import pathlib
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from command_line import make_files, runner, save_network

from keras_alt.cli import commands

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def run(capsys):
    return runner(capsys)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with a float model, data, and the quantized model of the command."""
    return make_files(tmp_path_factory.mktemp("files"))


FAULTS = {
    "inspect missing.keras": "must exist",
    "inspect x.npy": "must be a file that ends in .keras",
    "inspect broken.keras": "Keras cannot load broken.keras",
    "inspect broken.h5": "Keras cannot load broken.h5",
    "inspect q.keras": "`keras-alt report`",
    "inspect folder": "must be a SavedModel",
    "inspect saved": "save it with `model.save('model.keras')`",
    "report model.keras": "`keras-alt quantize` first",
    "report q.keras --certificate out.txt": "json",
    "report q.keras --sensitivity x.npy": "by `--html`",
    "export model.keras --to c --output out": "`keras-alt quantize` first",
    "export q.keras --to c --output missing/out": "folder of a file to write must exist",
    "export q.keras --to c onnx --output out": "onnx: ",
    "export q.keras --to c --output folder": "must be new or empty",
    "verify model.keras --data x.npy": "`keras-alt quantize` first",
    "verify q.keras --data missing.npy": "must exist",
    "verify q.keras --data missing.npz": "must exist",
    "verify q.keras --data broken.npz": "`numpy.savez`",
    "verify q.keras --data wrong.npz": "must hold an array image or x or x_train",
    "verify q.keras --data missing": "must exist",
    "verify q.keras --data model.keras": "`module:function`",
    "verify q.keras --data nowhere:make": "Python must find the function",
    "verify q.keras --data source:missing": "Python must find the function",
    "verify q.keras --data y.npy": "shape",
    "verify q.keras --data folder": "must hold images",
    "verify q.keras --data x.npy --bundle out": "one engine",
    "verify q.keras --data x.npy --engines tflm --bundle out": "tflm",
    "compare model.keras q.keras --data x.npy": "`keras-alt quantize` first",
    "compare q.keras missing.tflite --data x.npy": "must be a file that exists",
    "compare q.keras x.npy --data x.npy": "`second` must be",
    "compare q.keras q.keras --data x.npy --labels": "Labels are needed",
    "compare q.keras q.keras --data x.npy --labels short.npy": "as many samples",
    "compare q.keras q.keras --data x.npy --allowed-drop 0.1": "`allowed_drop` needs `labels`",
    "deploy model.keras --data x.npy --to litert onnx --output out": "follows litert or tflm",
    "deploy model.keras --data x.npy --to litert --target hls --output out": "litert or tflm",
    "deploy model.keras --data x.npy --to c --output folder": "must be new or empty",
    "deploy q.keras --data x.npy --to c --output out": "must not be quantized yet",
    "sensitivity model.keras --data x.npy": "`keras-alt quantize` first",
    "sensitivity q.keras --data x.npy --labels": "Labels are needed",
    "sensitivity q.keras --data x.npy --bits 40": "from 2 to 32",
    "sensitivity q.keras --data x.npy --output missing/out.json": "folder of a file to write",
    "allocate missing.json --size 9": "must exist",
    "allocate broken.keras --size 9": "must be JSON that `keras-alt sensitivity",
    "allocate other.json --size 9": "what `Sensitivity.to_dict`",
    "allocate deep.json --size 9": "must be JSON that `keras-alt sensitivity",
    "allocate huge.json --size 9": "must be JSON that `keras-alt sensitivity",
    "quantize model.keras --data x.npy --output out.keras --overrides other.json": "of overrides",
    "quantize model.keras --data x.npy --output out.keras --overrides deep.json": "must be JSON",
    "quantize model.keras --data complex.npy --output out.keras": "expects real numbers",
    "quantize model.keras --data x.npy --output out.txt": "must be a file that ends in .keras",
    "quantize model.keras --data x.npy --output missing/out.keras": "folder of a file to write",
    "quantize q.keras --data x.npy --output out.keras": "must not be quantized yet",
    "quantize model.keras --data y.npy --output out.keras": "expects shape",
    "quantize model.keras --data x.npy --output out.keras --skip nothing": "must match a layer",
    "quantize model.keras --data x.npy --output out.keras --weights 40": "from 2 to 32",
    "quantize model.keras --data x.npy --output out.keras --recipe retrain": "Labels are needed",
    "quantize model.keras --data x.npy --output out.keras --recipe retrain --labels x.npy": (
        "labels that are whole numbers"
    ),
    "quantize one.keras --data data.npz --output out.keras --recipe retrain": "with a sigmoid",
}


@pytest.fixture(scope="module")
def faulty(files):
    """Return the folder of the files with some that are broken."""
    for name in ("broken.keras", "broken.h5", "broken.npz"):
        (files / name).write_text("nothing of the kind")
    for name in ("folder", "saved"):
        (files / name).mkdir()
        (files / name / ("saved_model.pb" if name == "saved" else "a.txt")).write_text("")
    (files / "source.py").write_text("")
    (files / "other.json").write_text("[3]")
    (files / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
    (files / "huge.json").write_text("9" * 5000)  # more digits than Python converts
    np.save(files / "complex.npy", np.ones((4, 6, 6, 1), "complex64"))
    np.savez(files / "wrong.npz", z=np.zeros(3))
    np.save(files / "short.npy", np.zeros(3, int))
    save_network(files / "one.keras", keras.layers.Dense(1, "sigmoid"))
    return files


@pytest.mark.parametrize("command", FAULTS)
def test_wrong_input_is_told_in_a_line(command, run, faulty, monkeypatch):
    monkeypatch.chdir(faulty)
    status, _, err = run(*command.split())

    assert status == 2
    assert err.startswith(f"keras-alt {command.split()[0]}: ")
    assert err.count("\n") == 1
    assert FAULTS[command] in err
    assert not [path for path in pathlib.Path().iterdir() if path.name.startswith(("out", "."))]


def test_debug_shows_where_an_error_comes_from(run, files):
    with pytest.raises(FileNotFoundError):
        run("report", files / "missing.keras", "--debug")


def test_warnings_are_lines(run, files, monkeypatch):
    def warned(path):
        warnings.warn("what\n is wrong", UserWarning, stacklevel=1)
        return keras.models.load_model(path)

    monkeypatch.setattr(commands, "read_quantized", warned)

    status, _, err = run("report", files / "q.keras")

    assert (status, err) == (0, "keras-alt report: warning: what is wrong\n")


def test_an_interruption_has_its_status(run, files, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "read_quantized", interrupted)

    status, _, err = run("report", files / "q.keras")

    assert status == 130
    assert err.strip() == "keras-alt report: interrupted"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("", "required: command"),
        ("draw", "invalid choice: 'draw'"),
        ("quantize m.keras --output q.keras", "required: --data"),
        ("quantize m.keras --data x.npy --output q.keras --weights 1", "an integer of 2 or more"),
        ("quantize m.keras --data x.npy --output q.keras --target cpu", "invalid choice: 'cpu'"),
        ("export q.keras --to pdf --output out", "invalid choice: 'pdf'"),
        ("verify q.keras --data x.npy --engines gpu", "invalid choice: 'gpu'"),
        ("verify q.keras --data x.npy --scale nan", "expected a number, got 'nan'"),
        ("compare a b --data x.npy --allowed-drop 2", "a number from 0 to 1, got '2'"),
        ("allocate s.json", "--size --bit-operations is required"),
        ("allocate s.json --size half", "an integer of 1 or more, got 'half'"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_line(command, told, capsys):
    with pytest.raises(SystemExit) as caught:
        commands.main(command.split())

    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.count("\n") == 1
    assert told in err
    assert "--help` shows" in err


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_the_installed_command_starts_without_a_message(files):
    code = "import sys, keras_alt_command; sys.exit(keras_alt_command.main())"
    started = subprocess.run(
        [sys.executable, "-c", code, "report", str(files / "missing.keras")],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert started.returncode == 2
    assert started.stderr.startswith("keras-alt report: ")
    assert started.stderr.count("\n") == 1


def test_a_broken_pipe_has_its_status(run, files, monkeypatch):
    def unread(*arguments, **options):
        raise BrokenPipeError

    dropped = []
    monkeypatch.setattr(commands, "read_quantized", unread)
    monkeypatch.setattr(commands, "drop_output", lambda: dropped.append(True))

    assert run("report", files / "q.keras") == (141, "", "")
    assert dropped


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such status")
def test_output_that_nobody_reads_is_no_error(files):
    code = "import sys; from keras_alt.cli import main; sys.exit(main())"
    started = subprocess.Popen(
        [sys.executable, "-c", code, "inspect", str(files / "model.keras")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.stdout.close()
    err = started.stderr.read()

    assert started.wait() == 141
    assert "BrokenPipeError" not in err


def test_a_backend_that_is_missing_is_told_in_a_line():
    code = "import sys, keras_alt_command; sys.exit(keras_alt_command.main())"
    started = subprocess.run(
        [sys.executable, "-c", code, "inspect", "model.keras"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "KERAS_BACKEND": "none"},
        capture_output=True,
        text=True,
    )

    assert started.returncode == 2
    assert started.stderr.startswith("keras-alt: Keras must start: ")
    assert started.stderr.count("\n") == 1
