"""The subcommand `chip`: files in, files out, and an exit status that a flow can trust."""

import json

import pytest

from keras_route.cli.commands import main
from keras_route.formats.lefdef import read_design, read_guides
from keras_route.random_design.files import write_random_design


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    return write_random_design(folder, 40, seed=2, verbose=False)


def run(capsys, placed, technology, cells, output, *others):
    words = ["chip", placed, "--lef", technology, cells, "--output", output, *others]
    status = main(list(map(str, words)))
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_design_is_routed_and_checked(files, capsys, tmp_path):
    pytest.importorskip("klayout.db")
    technology, cells, placed = files
    guides = tmp_path / "wires.guide"
    status, out, err = run(
        capsys, placed, technology, cells, tmp_path / "routed", "--write-guides", guides
    )

    assert (status, err) == (0, "")
    assert "0 shorts, 0 errors of wires" in out
    assert f"wrote {guides}\n" in out
    assert len(read_guides(guides, read_design(placed, technology, cells))) > 30
    made = {path.name for path in (tmp_path / "routed").iterdir()}
    assert {"routed.def", "metrics.json", "drc.lyrdb", "chip.png"} <= made
    assert "partial.npz" not in made
    metrics = json.loads((tmp_path / "routed" / "metrics.json").read_text())
    assert metrics["route__drc_errors"] == metrics["route__opens"] == 0
    assert metrics["route__nets__routed"] == metrics["route__nets__connected"]


def test_nets_that_are_not_routed_give_status_1(files, capsys, tmp_path):
    technology, cells, placed = files
    limit = ("--time-limit", "1e-9")
    status, out, _ = run(capsys, placed, technology, cells, tmp_path / "routed", *limit)

    assert status == 1
    assert "the time was up" in out
    assert (tmp_path / "routed" / "routed.def").read_text().count("+ ROUTED metal2 (") == 0


def test_a_cut_file_gives_status_2_and_one_line(files, capsys, tmp_path):
    technology, cells, placed = files
    cut = tmp_path / "cut.def"
    cut.write_text(placed.read_text()[:-2000])
    status, _, err = run(capsys, cut, technology, cells, tmp_path / "routed")

    assert status == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "routed").exists()


def test_a_network_can_guide_the_search(files, capsys, tmp_path):
    technology, cells, placed = files
    model = ("--model", "router_search_32", "--jobs", "1")
    status, out, err = run(capsys, placed, technology, cells, tmp_path / "routed", *model)

    assert (status, err) == (0, "")
    assert "not routed" not in out
