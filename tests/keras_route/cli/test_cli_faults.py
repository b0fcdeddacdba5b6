"""Wrong input and wrong command lines are told in one line."""

import pathlib

import keras
import numpy as np
import pytest
from route_command import runs, saved_network, saved_pins

from keras_route.cli import commands

FAULTS = {
    "generate missing/nets.h5": "folder of a file to write must exist",
    "generate out.h5 --min-pins 4 --max-pins 3": "`max_pins` must be at least 4",
    "generate out.h5 --min-pins 1": "`min_pins` must be at least 2",
    "train pins.csv": "File exists",
    "evaluate missing.keras": "There is no file to read a network from",
    "evaluate router_1997": "A preset must be one of",
    "evaluate pins.csv": "A preset must be one of",
    "evaluate network.keras --count 3 --json missing/figures.json": "folder of a file to write",
    "route missing.csv --output out.gds": "No such file or directory",
    "route pins.csv --output out.gif": "files that end in .gds, .def",
    "route pins.csv --output out.gds --model router_1997": "A preset must be one of",
    "route pins.csv --output out.gds --height 20": "net 'b': Pins must lie in the window",
    "route network.keras --output out.gds": "network.keras",
    "route pins.csv --output out.json --model network.keras --blocked pins.csv": "from a .npy file",
    "route pins.csv --output out.json --model network.keras --blocked wall.npy": "net 1 'b' with",
    "route pins.csv --output out.json --model network.keras --height 5000": "at most 4096",
    "route deep.json --output out.json": "too deeply",
    "route pins.csv --output out.json --model ./bare": "without class",
    "route pins.csv --output out.json --model ./deep": "too deeply",
    "generate out.h5 --height 99999 --width 99999": "`height` must be at most 4096",
    "generate out.h5 --height 4096 --width 4096": "`batch_size` must be at most 31",
    "check deep.json": "too deeply",
    "route pins.csv --output out.json --model network.keras --blocked odd.npy": "(32, 32, 4)",
    "route pins.csv --output out.json --model eight.keras": "returns (2, 32, 32, 8)",
}


@pytest.mark.parametrize("command", FAULTS)
def test_wrong_input_is_told_in_a_line(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved_network(tmp_path)
    saved_pins(tmp_path)
    np.save("wall.npy", np.tile(np.arange(32) == 10, (32, 1)))
    np.save("odd.npy", np.zeros((31, 32), bool))
    pathlib.Path("deep.json").write_text("[" * 100_000)
    pathlib.Path("bare.json").write_text("{}")
    if "eight.keras" in command:
        eight = keras.layers.Conv2D(8, 1)
        keras.Sequential([keras.Input((None, None, 1)), eight]).save("eight.keras")

    status, _, err = runs(capsys)(*command.split())

    assert status == 2
    assert err.startswith(f"keras-route {command.split()[0]}: ")
    assert err.count("\n") == 1
    assert FAULTS[command] in err
    assert not [path for path in pathlib.Path().iterdir() if path.name.startswith(("out", "."))]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("", "required: command"),
        ("draw", "invalid choice: 'draw'"),
        ("generate", "required: file"),
        ("generate out.h5 --count 0", "expected an integer of 1 or more, got '0'"),
        ("generate out.h5 --count 99999999999999", "an integer up to 1000000000, got '99999"),
        (f"generate out.h5 --count {'9' * 5000}", "an integer up to 1000000000, got '99999"),
        ("generate out.h5 --seed 1.5", "expected an integer of 0 or more, got '1.5'"),
        ("train run --network vgg", "invalid choice: 'vgg'"),
        ("train run --rate -1", "expected a positive number, got '-1'"),
        ("train run --rate nan", "expected a positive number, got 'nan'"),
        ("train run --split train", "unrecognized arguments: --split"),
        ("route pins.csv", "required: --output"),
        ("generate out.npz --most-blocked 1", "expected a number between 0 and 1, got '1'"),
        ("generate out.h5 --window-um -1", "expected a positive number, got '-1'"),
        ("route pins.csv --output a.gds --window-um 0", "expected a positive number, got '0'"),
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
