"""The check finds nothing on a legal chip, and each fault that is put into it."""

import gzip
import json
import re

import pytest
from small_chip import NETS, def_text, write_lefs

from keras_route.cli import main
from keras_route.drc.check import check_routed_def
from keras_route.drc.reports import write_lyrdb, write_metrics

pytest.importorskip("klayout.db", reason="the check needs klayout")


@pytest.fixture(scope="module")
def lefs(tmp_path_factory):
    return write_lefs(tmp_path_factory.mktemp("lefs"))


@pytest.fixture
def check(lefs, tmp_path):
    def checked(nets=NETS, change=lambda text: text):
        path = tmp_path / "routed.def"
        path.write_text(change(def_text(nets)))
        return check_routed_def(path, *lefs)

    return checked


def changed(old, new):
    """Return the nets with one line changed; None removes it."""
    assert NETS.count(old) == 1
    index = NETS.index(old)
    return (*NETS[:index], *([] if new is None else [new]), *NETS[index + 1 :])


def test_a_legal_chip_has_no_faults(check):
    found = check()
    assert found.clean
    assert found.existing == ()
    assert found.unchecked == ()
    assert found.metrics["route__nets"] == found.metrics["route__nets__connected"] == 3
    assert found.metrics["route__pins"] == found.metrics["route__pins__reached"] == 6
    assert found.metrics["route__vias"] == 9
    assert found.metrics["route__vias__layer:via1"] == 5
    assert found.metrics["route__wirelength__layer:metal3"] == pytest.approx(7.22)
    assert found.metrics["route__wirelength"] == pytest.approx(
        (1680 + 7220 + 560 + 1400 + 7220 + 2240 + 3990 + 3800) / 2000
    )


def test_lef_files_may_be_relative_to_where_the_check_runs(lefs, tmp_path, monkeypatch):
    path = tmp_path / "routed.def"
    path.write_text(def_text(NETS))
    monkeypatch.chdir(lefs[0].parent)
    assert check_routed_def(path, *(lef.name for lef in lefs)).clean


M3 = "NEW metal3 ( 4370 6580 ) ( 11590 * )"
FAULTS = {
    # each of a change of the nets, a rule, its layer, the nets at the place
    "10 nm off": (
        changed("NEW metal3 ( 11970 6300 ) ( 19190 * )", "NEW metal3 ( 11830 6320 ) ( 19190 * )"),
        ("spacing", "metal3", {"n1", "n2"}),
    ),
    "a neck": (
        changed(M3, "NEW metal3 ( 4370 6580 ) ( 8000 * ) NEW metal3 ( 8100 6680 ) ( 11590 * )"),
        ("width", "metal3", {"n1"}),
    ),
    "off grid": (
        changed(M3, "NEW metal3 ( 4370 6583 ) ( 11590 * )"),
        ("grid", "metal3", {"n1"}),
    ),
    "wider": (
        changed(M3, M3 + " NEW metal3 ( 4370 6440 ) ( 12400 * )"),
        ("short", "metal3", {"n1", "n2"}),
    ),
    "joined": (
        changed(M3, "NEW metal3 ( 4370 6580 ) ( 11970 * )")
        + ("- n3 + ROUTED metal3 ( 11970 6580 ) ( 12400 * ) ;",),
        ("short", "metal3", {"n1", "n3"}),
    ),
    "abutted": (
        (*NETS, "- n3 + ROUTED metal3 ( 7000 6720 ) ( 9000 * ) ;"),
        ("short", "metal3", {"n1", "n3"}),
    ),
    "on the strap": (
        (*NETS, "- n3 + ROUTED metal4 ( 29600 7000 ) ( * 9000 ) ;"),
        ("short", "metal4", {"VDD", "n3"}),
    ),
    "beside the strap": (
        (*NETS, "- n3 + ROUTED metal4 ( 29100 7000 ) ( * 9000 ) ;"),
        ("spacing", "metal4", {"VDD", "n3"}),
    ),
    "on a pin that has no net": (
        (*NETS, "- n3 + ROUTED metal1 ( 19190 4340 ) ( 19570 * ) ;"),
        ("short", "metal1", {"n3", "unconnected a[3]/Z"}),
    ),
    "on a rail": (
        (*NETS, "- n3 + ROUTED metal1 ( 4000 2870 ) ( 5000 * ) ;"),
        ("short", "metal1", {"n3", "unconnected u1/VSS"}),
    ),
    "a second cut": (
        changed(
            "NEW metal2 ( 4370 6580 ) via2_yx",
            "NEW metal2 ( 4370 6580 ) via2_yx NEW metal2 ( 4370 6860 ) via2_yx",
        ),
        ("cut spacing", "via2", {"n1"}),
    ),
    "overlapping cuts": (
        changed(
            "NEW metal2 ( 4370 6580 ) via2_yx",
            "NEW metal2 ( 4370 6580 ) via2_yx NEW metal2 ( 4370 6600 ) via2_yx",
        ),
        ("cut size", "via2", {"n1"}),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(check, name):
    nets, (rule, layer, names) = FAULTS[name]
    found = check(nets)
    assert not found.clean
    matching = [v for v in found.violations if (v.rule, v.layer) == (rule, layer)]
    assert any(names <= set(v.nets) for v in matching), "\n".join(map(str, found.violations))
    assert found.metrics["route__drc_errors"] == len(found.violations)


@pytest.mark.parametrize(
    "line",
    [line for line in NETS if line.startswith("NEW")],
)
def test_a_missing_wire_or_via_leaves_an_open_net(check, line):
    found = check(changed(line, None))
    (net,) = found.opens
    assert len(net.pieces) == 2
    assert not found.violations
    assert net.net in str(net)
    assert found.metrics["route__nets__connected"] == 2


def test_a_net_without_wires_is_open(check):
    found = check([line for line in NETS if not re.match("NEW|. ROUTED", line)])
    assert [net.routed for net in found.opens] == [False] * 3
    assert found.metrics["route__pins__reached"] == 0


def test_a_detour_that_nothing_needs_is_an_island(check):
    found = check((*NETS[:-1], "NEW metal5 ( 9000 20000 ) ( 12000 * )", ";"))
    assert found.clean
    assert found.metrics["route__islands"] == 1


def test_what_no_wire_is_part_of_is_counted_apart(check):
    strap = "NEW metal4 960 + SHAPE STRIPE ( 31200 0 ) ( 31200 40000 ) ;\nEND SPECIALNETS"
    other = f";\n- VSS ( * VSS ) + USE GROUND + ROUTED {strap[4:]}"
    found = check(
        change=lambda text: re.sub(r";\nEND SPECIALNETS", other, text).replace(
            "SPECIALNETS 1", "SPECIALNETS 2"
        )
    )
    assert found.clean
    assert {(v.rule, v.layer) for v in found.existing} == {("spacing", "metal4")}
    assert found.metrics["design__drc_errors__existing"] == len(found.existing)


def test_vias_of_supply_are_read_in_all_forms(check):
    vias = """
  NEW metal4 0 + SHAPE STRIPE ( 30000 2000 ) via4 DO 1 BY 3 STEP 0 2000
  NEW metal4 0 ( 30000 12000 ) via4
  + VIA via4 ( 30000 16000 ) ( 30000 18000 ) ;
END SPECIALNETS"""
    found = check(change=lambda text: text.replace(" ;\nEND SPECIALNETS", vias))
    assert found.clean
    assert found.metrics["route__vias__layer:via4"] == 0
    assert {(v.rule, v.layer) for v in found.existing} == set()


def test_compressed_files_are_read(lefs, tmp_path):
    path = tmp_path / "routed.def.gz"
    path.write_bytes(gzip.compress(def_text().encode()))
    packed = [tmp_path / f"{lef.name}.gz" for lef in lefs]
    for lef, target in zip(lefs, packed, strict=True):
        target.write_bytes(gzip.compress(lef.read_bytes()))
    assert check_routed_def(path, *packed).clean


def test_a_file_cut_short_is_refused(lefs, tmp_path):
    path = tmp_path / "routed.def"
    path.write_text(def_text()[:-40])
    with pytest.raises(ValueError, match="cut short"):
        check_routed_def(path, *lefs)


def test_a_pin_without_shapes_is_refused(check):
    with pytest.raises(ValueError, match="must have shapes"):
        check((*NETS[:-1], ";", "- n9 ( u1 Q ) ;"))


def test_reports_hold_all_findings(check, tmp_path):
    rdb = pytest.importorskip("klayout.rdb")
    found = check((*FAULTS["beside the strap"][0][:-1], *FAULTS["abutted"][0][-1:]))
    write_lyrdb(found, tmp_path / "found.lyrdb")
    database = rdb.ReportDatabase()
    database.load(str(tmp_path / "found.lyrdb"))
    assert database.num_items() == len(found.opens) + len(found.violations) + len(found.existing)
    write_metrics(found, tmp_path / "found.json")
    metrics = json.loads((tmp_path / "found.json").read_text())
    assert metrics["route__shorts"] == found.metrics["route__shorts"] > 0


def test_the_command_tells_the_faults_and_exits_with_1(lefs, tmp_path, capsys):
    path = tmp_path / "routed.def"
    path.write_text(def_text())
    report = ["--report", str(tmp_path / "r.lyrdb"), "--json", str(tmp_path / "r.json")]
    assert main(["drc", str(path), *map(str, lefs), *report]) == 0
    assert "3 of 3 nets are connected" in capsys.readouterr().out
    assert (tmp_path / "r.lyrdb").exists()
    assert json.loads((tmp_path / "r.json").read_text())["route__drc_errors"] == 0
    path.write_text(def_text(FAULTS["abutted"][0]))
    assert main(["drc", str(path), *map(str, lefs)]) == 1
    assert "short on metal3" in capsys.readouterr().out
