"""The commands do what the functions do."""

import dataclasses
import json
import shlex

import numpy as np
import pytest
from route_command import runs, saved_network, saved_pins

from keras_route.cli import arguments, commands
from keras_route.cli.tables import search_table
from keras_route.data.hdf5 import HDF5Dataset
from keras_route.data.random_nets import generate
from keras_route.evaluation import evaluate
from keras_route.formats.pin_files import read_pins
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.models import Router, SearchRouter
from keras_route.models.loading import load_network
from keras_route.models.presets import save_preset
from keras_route.progress import LINES
from keras_route.routing.pins_to_nets import route
from keras_route.training.recipes import RECIPES
from keras_route.training.run import BEST
from keras_route.training.search_evaluation import evaluate_search
from keras_route.training.search_labels import SearchFamily, read_search_labels, search_labels

COMMANDS = ("generate", "train", "evaluate", "route", "check")


@pytest.fixture
def network(tmp_path):
    return saved_network(tmp_path)


@pytest.fixture
def pins(tmp_path):
    return saved_pins(tmp_path)


@pytest.fixture
def run(capsys):
    return runs(capsys)


def succeed(result):
    status, out, err = result
    assert (status, err) == (0, "")
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_parses(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        commands.main([command, "--help"])
    assert caught.value.code == 0

    example = capsys.readouterr().out.split("example: ")[1]
    options = arguments.parser().parse_args(shlex.split(example)[1:])
    assert options.command == command


def test_generate_writes_the_nets_of_the_function(run, tmp_path):
    options = ["--height", 12, "--width", 20, "--max-pins", 3, "--window-um", 5, "--deduplicate"]
    path = tmp_path / "nets.h5"
    out = succeed(
        run("generate", path, "--count", 70, "--seed", 3, *options, "--split", "validation")
    )

    assert "70/70" in out
    written = HDF5Dataset(path, batch_size=70)[0]
    expected = generate(
        70, 3, 12, 20, max_pins=3, window_um=5.0, deduplicate=True, split="validation"
    )
    for a, b in zip(written, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.full
def test_generate_writes_windows_with_labels_by_search(run, tmp_path):
    options = ["--height", 16, "--width", 16, "--max-pins", 3, "--most-blocked", 0.1]
    path = tmp_path / "windows.npz"
    out = succeed(run("generate", path, "--labels", "search", "--count", 3, "--seed", 5, *options))

    assert "3/3" in out
    family = SearchFamily(height=16, width=16, max_pins=3, most_blocked=0.1)
    written, expected = read_search_labels(path), search_labels(family, 5, 0, 3)
    assert written.family == family
    for name, packed in expected.packed.items():
        np.testing.assert_array_equal(written.packed[name], packed)


def test_evaluate_tells_the_figures_of_the_function(run, network, tmp_path):
    figures = evaluate(load_network(network), 40, seed=5, max_pins=3)

    out = succeed(
        run(
            *("evaluate", network, "--count", 40, "--seed", 5, "--max-pins", 3),
            *("--json", tmp_path / "figures.json"),
        )
    )

    table = [line.split() for line in out.splitlines()]
    assert ["all", "40", f"{figures['all'].precision:.2%}"] in [row[:3] for row in table]
    told = json.loads((tmp_path / "figures.json").read_text())
    assert told["nets"] == {"max_pins": 3}
    assert told["figures"]["all"]["routed_legal"] == 1
    assert list(told["figures"]) == ["all", "2", "3"]
    assert told["figures"]["3"]["recall"] == figures[3].recall


def test_evaluate_compares_a_network_that_sees_obstacles_with_the_search(run, tmp_path):
    model = SearchRouter(reach=15, stem=2, features=(4, 4, 4), blocks=(0, 0, 0))
    path, told = tmp_path / "search.keras", tmp_path / "figures.json"
    model.save(path)

    out = succeed(run("evaluate", path, "--count", 36, "--seed", 4, "--json", told))

    figures = evaluate_search(model, 1, 4)
    assert search_table(figures) in out
    written = json.loads(told.read_text())["figures"]
    assert written == {kind: dataclasses.asdict(row) for kind, row in figures.items()}
    size = ("--height", 16, "--width", 24, "--window-um", 5.5)
    out = succeed(run("evaluate", path, "--count", 36, "--seed", 4, *size))
    assert search_table(evaluate_search(model, 1, 4, height=16, width=24, window_um=5.5)) in out
    status, _, err = run("evaluate", path, "--max-pins", 3)
    assert status == 2
    assert "options for the size of windows only. Received: max_pins" in err


def test_route_writes_every_format(run, network, pins, tmp_path):
    gdstk = pytest.importorskip("gdstk")
    pytest.importorskip("matplotlib")
    paths = [tmp_path / f"nets{suffix}" for suffix in (".gds", ".def", ".svg", ".png", ".json")]
    outputs = [argument for path in paths for argument in ("--output", path)]

    out = succeed(run("route", pins, "--model", network, *outputs))

    assert all(f"wrote {path}" in out for path in paths)
    assert all(path.stat().st_size > 100 for path in paths)
    assert "2 of 2 nets are connected and legal" in out
    assert {"a", "b"} < {cell.name for cell in gdstk.read_gds(paths[0]).cells}
    nets = json.loads(paths[4].read_text())
    expected = route(load_network(network), list(read_pins(pins).values()))
    assert [net["name"] for net in nets] == ["a", "b"]
    assert [net["changed"] for net in nets] == [net.changed for net in expected]


def test_route_keeps_off_what_is_blocked_in_windows_of_any_size(run, network, pins, tmp_path):
    blocked = np.zeros((40, 33), bool)
    blocked[:29, 12] = True
    np.save(tmp_path / "blocked.npy", blocked)

    out = succeed(
        run(
            *("route", pins, "--model", network, "--output", tmp_path / "nets.json"),
            *("--blocked", tmp_path / "blocked.npy", "--height", 40, "--width", 33),
            *("--window-um", 20),
        )
    )

    assert "2 of 2 nets" in out
    for i, fields in enumerate(json.loads((tmp_path / "nets.json").read_text())):
        (tmp_path / f"{i}.json").write_text(json.dumps(fields))
        net = Net.from_json(tmp_path / f"{i}.json")
        assert (net.height, net.width, net.window_um) == (40, 33, 20.0)
        assert check(net, blocked) == []


def test_nets_that_need_no_wire_are_told_and_kept(run, network, pins, tmp_path):
    pins.write_text("c, 1, 2\n" + pins.read_text() + "d, 4, 4\nd, 4, 4\n")
    outputs = [f"--output={tmp_path / name}" for name in ("nets.json", "nets.def", "nets.svg")]

    out = succeed(run("route", pins, "--model", network, *outputs))

    assert "2 nets need no wire, because their pins lie in one place: c, d\n" in out
    assert "4 of 4 nets are connected and legal" in out
    written = json.loads((tmp_path / "nets.json").read_text())
    assert [(net["name"], bool(net["wires"])) for net in written] == [
        ("c", False),
        ("a", True),
        ("b", True),
        ("d", False),
    ]
    assert "4 of 4" in succeed(run("check", tmp_path / "nets.json"))
    pins.write_text("c, 1, 2")
    assert "1 of 1 nets" in succeed(run("route", pins, "--model", network, *outputs))


def test_lengths_and_vias_are_told_by_layer(run, network, pins, tmp_path):
    out = succeed(run("route", pins, "--model", network, "--output", tmp_path / "nets.json"))

    assert "\nwire um by layer: m3 " in out
    assert "\nvias by layer: via3 " in out


@pytest.mark.filterwarnings("default")
def test_a_preset_is_used_in_the_windows_of_its_card(run, pins, tmp_path):
    file = tmp_path / "nets.json"
    model = Router(reach=7, stem=2, lines=3, features=4, line_blocks=1, pixel_blocks=1)
    card = dict.fromkeys(("recipe", "seed", "hardware", "hours", "metrics"), "none")
    trained = {"height": 40, "width": 48, "window_um": 5.5, "min_pins": 2, "max_pins": 5}
    save_preset(model, tmp_path / "small", {**card, "trained_on": trained})
    route = ("route", pins, "--output", file, "--model", tmp_path / "small")

    succeed(run(*route))
    (net, _) = json.loads(file.read_text())
    assert (net["height"], net["width"], net["window_um"]) == (40, 48, 5.5)

    status, _, err = run(*route, "--height", 32)
    (net, _) = json.loads(file.read_text())
    assert (status, net["height"], net["width"]) == (0, 32, 48)
    assert err.startswith("keras-route route: 'router' was trained on windows of 40 x 48 pixels")
    assert "Received: height=32, width=48" in err
    assert err.count("\n") == 1

    told = tmp_path / "figures.json"
    succeed(run("evaluate", tmp_path / "small", "--count", 3, "--json", told, "--height", 64))
    assert json.loads(told.read_text())["nets"] == {"height": 64, "width": 48, "window_um": 5.5}


def test_a_machine_that_is_too_small_is_told_in_a_line(run, monkeypatch, tmp_path):
    def too_large(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(commands, "write_hdf5", too_large)

    status, _, err = run("generate", tmp_path / "nets.h5")

    assert status == 2
    assert err.startswith("keras-route generate: The machine must have room for what is asked")
    assert err.count("\n") == 1


def test_the_help_tells_the_exit_statuses(capsys):
    with pytest.raises(SystemExit):
        commands.main(["--help"])
    assert "exit status: 0 if all is well; 1 if a net breaks a rule" in capsys.readouterr().out


def test_a_broken_rule_is_told(run, network, pins, tmp_path, monkeypatch):
    bare = [Net(((3, 5), (20, 9)), (), (), name="a"), Net(((0, 0), (31, 31)), (), (), name="b")]
    monkeypatch.setattr(commands, "route", lambda *arguments, **options: bare)

    status, out, _ = run("route", pins, "--model", network, "--output", tmp_path / "nets.json")

    assert status == 1
    assert "a: pin: " in out
    assert "0 of 2 nets are connected and legal" in out


def test_check_tells_which_rules_the_nets_of_a_file_break(run, network, pins, tmp_path):
    file, blocked = tmp_path / "nets.json", tmp_path / "blocked.npy"
    succeed(run("route", pins, "--model", network, "--output", file))
    np.save(blocked, np.ones((32, 32), bool))

    assert succeed(run("check", file)) == "2 of 2 nets are connected and legal\n"
    status, out, _ = run("check", file, "--blocked", blocked)
    assert status == 1
    assert "b: blocked: " in out
    assert "0 of 2 nets are connected and legal" in out

    file.write_text("[1]")
    status, _, err = run("check", file)
    assert status == 2
    assert "Nets are read from a JSON file" in err
    assert err.count("\n") == 1


def test_train_calls_the_recipe_with_what_was_given(run, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(commands, "train", lambda *args, **options: calls.append((args, options)))
    changes = ["--epochs", 7, "--steps-per-epoch", 3, "--batch-size", 2, "--rate", 1e-4]

    plain = succeed(run("train", tmp_path / "a"))
    succeed(run("train", tmp_path / "b", "--network", "fcn", "--seed", 4, *changes))
    nets = ["--height", 64, "--no-deduplicate", "--validation", 50]
    succeed(run("train", tmp_path / "c", *nets))

    assert f"keras-route evaluate {tmp_path / 'a' / BEST}" in plain
    recipes = [arguments[0] for arguments, _ in calls]
    assert [(*arguments[1:], options) for arguments, options in calls] == [
        (tmp_path / "a", 0, 2000, LINES, {}),
        (tmp_path / "b", 4, 2000, LINES, {}),
        (tmp_path / "c", 0, 50, LINES, {"height": 64, "deduplicate": False}),
    ]
    assert recipes[1] == dataclasses.replace(
        RECIPES["fcn"], epochs=7, steps_per_epoch=3, batch_size=2, rate=1e-4
    )
    assert recipes[0] == recipes[2] == RECIPES["router"]


def test_an_interruption_has_its_status(run, monkeypatch, tmp_path):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "write_hdf5", interrupted)

    status, _, err = run("generate", tmp_path / "nets.h5")

    assert status == 130
    assert err.strip() == "keras-route generate: interrupted"
