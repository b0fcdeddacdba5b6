"""Wire lengths are those of centre lines, and what lies twice counts once."""

import pytest
from small_chip import HEAD, NETS, def_text

from keras_route.drc.lengths import wire_lengths_um


def test_lengths_are_told_by_net_and_layer(tmp_path):
    path = tmp_path / "routed.def"
    path.write_text(def_text(NETS))
    found = wire_lengths_um(path)
    assert found["n1"] == pytest.approx({"metal2": (1680 + 560) / 2000, "metal3": 3.61})
    assert set(found) == {"n1", "n2", "clk"}


def test_overlaps_count_once(tmp_path):
    path = tmp_path / "routed.def"
    lines = "metal2 ( 0 0 ) ( * 4000 ) NEW metal2 ( 0 2000 70 ) ( * 6000 70 ) NEW metal2 ( 0 8000 )"
    path.write_text(f"{HEAD}NETS 1 ;\n- a + ROUTED {lines} ( * 9000 ) ;\nEND NETS\nEND DESIGN\n")
    assert wire_lengths_um(path)["a"] == pytest.approx({"metal2": 3.5})
