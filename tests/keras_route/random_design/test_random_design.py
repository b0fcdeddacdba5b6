"""Random placed designs: what the arguments promise, and what a reader of LEF and DEF sees."""

import collections
import re

import pytest

from keras_route.cli import main
from keras_route.formats.lefdef import read_design, read_technology
from keras_route.random_design.cells import BY_NAME, CELLS
from keras_route.random_design.files import FILES, write_random_design
from keras_route.random_design.placement import ROW_HEIGHT, SITE_WIDTH
from keras_route.random_design.process import DBU_PER_UM, GENERIC_45

NETS = 150
OPTIONS = {"nets": NETS, "seed": 3, "clock_pins": 7, "verbose": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("random_design")
    write_random_design(folder, **OPTIONS)
    return folder


def section(folder, name):
    text = (folder / "placed.def").read_text()
    count, body = re.search(rf"^{name} (\d+) ;\n(.*?)^END {name}", text, re.S | re.M).groups()
    items = re.findall(r"^- (.*?) ;$", body, re.S | re.M)
    assert len(items) == int(count)
    return items


@pytest.fixture(scope="module")
def nets(folder):
    return {
        item.split()[0]: re.findall(r"\( (\S+) (\S+) \)", item) for item in section(folder, "NETS")
    }


def test_the_same_arguments_give_the_same_files(folder, tmp_path):
    write_random_design(tmp_path, **OPTIONS)
    for name in FILES:
        assert (tmp_path / name).read_text() == (folder / name).read_text()
    write_random_design(tmp_path, **{**OPTIONS, "seed": 4})
    assert (tmp_path / "placed.def").read_text() != (folder / "placed.def").read_text()


def test_each_net_joins_one_driver_with_sinks_that_no_other_net_has(folder, nets):
    assert len(nets) == NETS
    pins = [pin for net in nets.values() for pin in net]
    assert max(collections.Counter(pins).values()) == 1
    cells = dict(item.split()[:2] for item in section(folder, "COMPONENTS"))
    for driver, *sinks in nets.values():
        assert sinks
        assert driver[0] == "PIN" or BY_NAME[cells[driver[0]]].output == driver[1]
        for part, pin in sinks:
            assert part == "PIN" or pin == "CK" or pin in BY_NAME[cells[part]].inputs
    inputs = sum(
        len([pin for pin in BY_NAME[cell].signals if pin.direction == "INPUT"])
        for cell in cells.values()
    )
    assert inputs == len([pin for net in nets.values() for pin in net[1:] if pin[0] != "PIN"])


def test_one_net_has_the_clock_pins(nets):
    assert [pin for _, pin in nets["clk"][1:]] == ["CK"] * 7


def test_most_nets_have_two_pins(nets):
    two = sum(len(pins) == 2 for pins in nets.values())
    assert 0.5 < two / len(nets) < 0.7


def test_cells_fill_their_rows_without_overlap(folder):
    ends = {}
    for item in section(folder, "COMPONENTS"):
        _, cell, x, y, orientation = re.match(
            r"(\S+) (\S+) \+ PLACED \( (\d+) (\d+) \) (\w+)", item
        ).groups()
        x, y = int(x), int(y)
        assert orientation == ("N" if (y // ROW_HEIGHT) % 2 == 0 else "FS")
        ends.setdefault(y, []).append((x, x + BY_NAME[cell].sites * SITE_WIDTH))
    for row in ends.values():
        row.sort()
        assert all(end == start for (_, end), (start, _) in zip(row, row[1:], strict=False))


def test_pins_hold_a_via_on_a_crossing_of_tracks():
    """A square of the width of a wire with metal beyond it along y fits at one crossing."""
    step = GENERIC_45.metals[0].pitch_um
    for cell in CELLS:
        for pin in cell.signals:
            crossings = [
                ((site + 0.5) * GENERIC_45.metals[1].pitch_um, (track + 0.5) * step)
                for site in range(cell.sites)
                for track in range(10)
            ]
            assert any(
                left - 1e-9 <= x - 0.035
                and x + 0.035 <= right + 1e-9
                and bottom - 1e-9 <= y - 0.07
                and y + 0.07 <= top + 1e-9
                for left, bottom, right, top in pin.boxes_um
                for x, y in crossings
            )


def test_klayout_reads_the_files_and_finds_metal1_legal(folder):
    kdb = pytest.importorskip("klayout.db")
    options = kdb.LoadLayoutOptions()
    config = options.lefdef_config
    config.dbu = 1 / DBU_PER_UM
    config.read_lef_with_def = False
    config.lef_files = [str(folder / name) for name in FILES[:2]]
    layout = kdb.Layout()
    layout.read(str(folder / FILES[2]), options)
    space = round(GENERIC_45.metals[0].spacing.spaces_um[0][0] * DBU_PER_UM)
    metal = kdb.Region()
    for index in layout.layer_indexes():
        name, _, purpose = layout.get_info(index).name.partition(".")
        if name == "metal1" and purpose != "LABEL":
            metal.insert(layout.top_cell().begin_shapes_rec(index))
    assert metal.merged().count() > NETS
    assert metal.space_check(space).count() == 0
    assert metal.width_check(round(0.07 * DBU_PER_UM)).count() == 0


def test_the_reader_gives_the_technology_and_the_nets_back(folder, nets):
    technology = read_technology(folder / FILES[0])
    assert technology.metals == GENERIC_45.metals
    assert technology.cuts == GENERIC_45.cuts
    assert technology.grid_um == GENERIC_45.grid_um
    assert [via.name for via in technology.vias] == [via.name for via in GENERIC_45.vias]
    for via, expected in zip(technology.vias, GENERIC_45.vias, strict=True):
        assert dict(via.boxes_um) == dict(expected.boxes_um)
    design = read_design(folder / FILES[2], *(folder / name for name in FILES[:2]))
    assert design.nets == {name: tuple(pins) for name, pins in nets.items()}


@pytest.mark.parametrize("wrong", [{"nets": 29}, {"utilization": 0.95}, {"clock_pins": 0}])
def test_numbers_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="Received: nets="):
        write_random_design(tmp_path, **{**OPTIONS, **wrong})
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_same_files(folder, tmp_path, capsys):
    command = ["random-design", str(tmp_path), "--nets", str(NETS), "--seed", "3"]
    assert main([*command, "--clock-pins", "7"]) == 0
    assert "placed.def" in capsys.readouterr().out
    for name in FILES:
        assert (tmp_path / name).read_text() == (folder / name).read_text()
