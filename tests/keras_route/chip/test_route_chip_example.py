"""The chip example runs as a user runs it, and KLayout finds its nets in the layout file."""

import pathlib
import runpy

import keras
import numpy as np
import pytest

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "route_chip.py"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    def run(*arguments):
        argv = [EXAMPLE, *arguments, "--output", tmp_path / "chip"]
        monkeypatch.setattr("sys.argv", list(map(str, argv)))
        runpy.run_path(EXAMPLE, run_name="__main__")
        return capsys.readouterr().out, tmp_path / "chip"

    return run


def extracted(path):
    """Return the names of the nets that KLayout finds in a layout file, and spacing faults."""
    db = pytest.importorskip("klayout.db")
    layout = db.Layout()
    layout.read(str(path))
    top = layout.top_cell()
    layout.flatten(top.cell_index(), -1, True)
    nets = db.LayoutToNetlist(db.RecursiveShapeIterator(layout, top, []))
    numbers = [2, 52, 3, 53, 4, 54, 5, 55, 6]
    stack = [nets.make_polygon_layer(layout.layer(n, 0), f"layer {n}") for n in numbers]
    for layer in stack:
        nets.connect(layer)
    for below, above in zip(stack, stack[1:], strict=False):
        nets.connect(below, above)
    nets.connect(stack[0], nets.make_text_layer(layout.layer(2, 0), "names"))
    nets.extract_netlist()
    (circuit,) = nets.netlist().each_circuit()
    metals = [db.Region(top.begin_shapes_rec(layout.layer(n, 0))).merged() for n in range(2, 7)]
    faults = sum(metal.space_check(40).count() for metal in metals)
    return [net.expanded_name() for net in circuit.each_net()], faults


def test_random_pins(run):
    pytest.importorskip("gdstk")
    pytest.importorskip("matplotlib")

    out, folder = run("--smoke")

    assert "connected: 60 of 60 nets (100.00%)" in out
    assert "shorts between nets: 0; broken rules: 0" in out
    for name in ("chip.def", "chip.png"):
        assert (folder / name).stat().st_size > 1000
    names, faults = extracted(folder / "chip.gds")
    assert sorted(names) == sorted(f"net{i}" for i in range(60))
    assert faults == 0


def test_pins_of_a_file_and_a_saved_network(run, tmp_path, rng):
    places = rng.uniform(0, 8, (12, 2))
    places[4] = places[5]
    np.savez(
        tmp_path / "pins.npz",
        pin_xy_um=places,
        net_offset=np.array([0, 4, 6, 9, 9, 12]),
        net_name=np.array(["a", "coincident", "c", "empty", "e[1]"]),
        die_um=np.array([0.0, 0.0, 8.0, 8.0]),
    )
    model = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Conv2D(16, 3, padding="same")])
    model.save(tmp_path / "net.keras")

    out, _ = run("--data", tmp_path / "pins.npz", "--model", tmp_path / "net.keras")

    assert "connected: 3 of 5 nets (60.00%)" in out
    for name in ("coincident", "empty"):
        assert f"not routed: {name}: has fewer than two pixels to join" in out
    assert "shorts between nets: 0; broken rules: 0" in out


def test_a_chip_is_needed(run, capsys):
    with pytest.raises(SystemExit):
        run()

    assert "give the pins of a chip" in capsys.readouterr().err
