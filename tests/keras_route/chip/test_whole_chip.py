"""All nets of a placed design, from files to files."""

import numpy as np
import pytest

import keras_route
from keras_route.chip import checkpoint
from keras_route.chip.design_router import DesignRouter
from keras_route.chip.guides import guides_on
from keras_route.formats.lefdef import Guide, read_design
from keras_route.formats.lefdef.wires_reading import read_wires
from keras_route.random_design.files import write_random_design


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    technology, cells, placed = write_random_design(folder, 60, seed=1, verbose=False)
    return placed, technology, cells


@pytest.fixture(scope="module")
def design(files):
    return read_design(*files)


@pytest.fixture(scope="module")
def chip(design):
    return keras_route.route_chip(design, jobs=1)


def same(first, second):
    return np.array_equal(first.wires, second.wires) and np.array_equal(first.vias, second.vias)


def test_all_nets_are_routed_near_the_length_of_their_trees(chip, design):
    assert not chip.not_routed
    assert set(chip.routed) == {name for name, pins in design.nets.items() if len(pins) > 1}
    assert chip.tree_um <= chip.length_um * 1.02
    assert chip.length_um <= 1.1 * chip.tree_um


def test_lengths_and_vias_add_up_in_metrics_and_report(chip):
    metrics = chip.metrics()

    layers = [v for k, v in metrics.items() if k.startswith("route__wirelength__layer:")]
    vias = [v for k, v in metrics.items() if k.startswith("route__vias__layer:")]
    assert sum(layers) == pytest.approx(metrics["route__wirelength"]) == chip.length_um
    assert sum(vias) == metrics["route__vias"] == len(chip.wires.vias)
    assert f"{len(chip.routed)} of {len(chip.routed)} nets are routed" in chip.report()


def test_klayout_finds_nothing_wrong_in_the_written_file(chip, files, tmp_path):
    pytest.importorskip("klayout.db")
    from keras_route.drc.check import check_routed_def

    placed, *lefs = files
    chip.write_def(placed, tmp_path / "routed.def")
    found = check_routed_def(tmp_path / "routed.def", *lefs)

    assert (found.opens, found.violations) == ((), ())
    assert found.metrics["route__wirelength"] == pytest.approx(chip.length_um)
    assert found.metrics["route__nets__connected"] == len(chip.routed)


def test_the_written_file_holds_the_design_and_the_wires(chip, design, files, tmp_path):
    placed, *lefs = files
    chip.write_def(placed, tmp_path / "routed.def.gz")

    again = read_design(tmp_path / "routed.def.gz", *lefs)
    assert again.nets == design.nets
    assert len(again.shapes) > len(design.shapes)
    wires = read_wires(tmp_path / "routed.def.gz", *lefs)
    assert len(wires.wires) == len(chip.wires.wires)
    assert len(wires.vias) == len(chip.wires.vias)


def test_the_number_of_threads_changes_nothing(chip, design):
    assert same(keras_route.route_chip(design, jobs=3).wires, chip.wires)


def test_progress_counts_nets_up_to_all(design, chip):
    told = []
    keras_route.route_chip(design, progress=told.append, jobs=1)
    assert told[0] >= 1
    assert max(told) == len(chip.routed)


def test_a_time_that_is_up_leaves_nets_whole_or_out(design):
    chip = keras_route.route_chip(design, time_limit=1e-9, jobs=1)

    assert len(chip.routed) == 1
    assert set(chip.not_routed.values()) == {"the time was up"}
    assert len(set(chip.wires.wires[:, 0].tolist())) <= 1


def test_routes_of_an_interrupted_run_are_kept(design, chip, tmp_path, monkeypatch):
    partial = tmp_path / "partial.npz"
    monkeypatch.setattr("keras_route.chip.whole_chip.SAVED_EVERY", 0)

    def interrupt(routed):
        if routed == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keras_route.route_chip(design, partial=partial, progress=interrupt, jobs=1)

    router = DesignRouter(design, 1, 5)
    assert 0 < checkpoint.restore(router, partial) <= 40
    resumed = keras_route.route_chip(design, partial=partial, jobs=1)
    assert resumed.routed == chip.routed
    # The caller removes the file when the wires are written: until then, a kill loses none.
    assert checkpoint.restore(DesignRouter(design, 1, 5), partial) == len(chip.routed)


def test_routes_of_another_design_are_refused(design, tmp_path):
    router = DesignRouter(design, 1, 5)
    checkpoint.save(router, tmp_path / "partial.npz")

    with pytest.raises(ValueError, match="remove the file to begin anew"):
        keras_route.route_chip(design, ("metal2", "metal4"), partial=tmp_path / "partial.npz")
    (tmp_path / "partial.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ValueError, match="that an interrupted run left"):
        keras_route.route_chip(design, partial=tmp_path / "partial.npz")


def test_wires_stay_on_the_layers_that_are_given(design):
    chip = keras_route.route_chip(design, ("metal2", "metal4"), jobs=1)
    assert set(chip.wires.wires[:, 1].tolist()) <= {1, 2, 3}


@pytest.mark.parametrize(
    "layers", [("metal9", "metal10x"), ("metal4", "metal2"), ("metal2",)], ids=str
)
def test_layers_that_are_none_are_told(design, layers):
    with pytest.raises(ValueError, match=r"lowest and the highest metal.*Received: layers"):
        keras_route.route_chip(design, layers)


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_time_limit_is_positive(design, limit):
    with pytest.raises(ValueError, match="time_limit"):
        keras_route.route_chip(design, time_limit=limit)


def test_wires_stay_within_guides_that_leave_a_way(design, chip):
    names = [metal.name for metal in design.technology.metals]
    dbu = design.dbu_per_um
    guides = {}
    for net, metal, x0, y0, x1, y1 in chip.wires.wires.tolist():
        box = (x0 - dbu, y0 - dbu, x1 + dbu, y1 + dbu)
        guides.setdefault(list(design.nets)[net], []).append(Guide(names[metal], box))

    guided = keras_route.route_chip(design, guides=guides, jobs=1)

    for net, metal, x0, y0, x1, y1 in guided.wires.wires.tolist():
        boxes = [b for layer, b in guides[list(design.nets)[net]] if layer == names[metal]]
        for x, y in ((x0, y0), (x1, y1)):
            assert any(b[0] <= x <= b[2] and b[1] <= y <= b[3] for b in boxes)


def test_guides_of_unknown_nets_are_told(design):
    router = DesignRouter(design, 1, 5)
    with pytest.raises(ValueError, match="guides of net 'nobody'"):
        guides_on(router.lattice, design, {"nobody": [Guide("metal2", (0, 0, 1, 1))]})
