import numpy as np
import pytest

from keras_route.data.random_nets import draw_net, generate
from keras_route.formats import gds
from keras_route.formats.lefdef import read_def, write_def
from keras_route.formats.lefdef.orientations import TURNS
from keras_route.formats.lefdef.polygons import inside
from keras_route.formats.nanometres import centre_nm, origins_nm
from keras_route.layout.net import Net

pytestmark = pytest.mark.check

METAL_LEF = """
LAYER {name}
  TYPE ROUTING ;
  DIRECTION {direction} ;
  PITCH 0.34 ;
  WIDTH 0.04 ;
END {name}
"""
LAYERS_LEF = (
    "VERSION 5.8 ;\nUNITS\n  DATABASE MICRONS 1000 ;\nEND UNITS\n"
    + "".join(
        METAL_LEF.format(name=f"m{i}", direction="VERTICAL" if i % 2 else "HORIZONTAL")
        + f"LAYER via{i}\n  TYPE CUT ;\nEND via{i}\n"
        for i in range(2, 7)
    )
    + "END LIBRARY\n"
)
CELLS_LEF = """# two cells
VERSION 5.8 ;
MACRO NAND2
  CLASS CORE ;
  ORIGIN 0.1 0.2 ;   # the lower left corner is at (-0.1, -0.2)
  SIZE 3 BY 1.4 ;
  SYMMETRY X Y ;
  PIN A
    DIRECTION INPUT ;
    PORT
      LAYER m2 ;
        RECT 0.4 0.1 0.6 0.5 ;
        RECT 5 5 6 6 ;
    END
  END A
  PIN A[1]
    PORT
      LAYER m2 ;
        RECT MASK 1 2 1 2.2 1.1 ;
    END
  END A[1]
  OBS
    LAYER m2 ;
      RECT 0 0 9 9 ;
  END
END NAND2
MACRO NAND22
  SIZE 9 BY 9 ;
  PIN A
    PORT
      LAYER m2 ;
        POLYGON 0 0 8 0 8 8 6 8 6 2 0 2 ;
    END
  END A
END NAND22
END LIBRARY
"""
DESIGN_DEF = """VERSION 5.8 ;
DIVIDERCHAR "/" ;
DESIGN adder ;
UNITS DISTANCE MICRONS 2000 ;
PROPERTYDEFINITIONS
  DESIGN note STRING "ends here ; END" ;
END PROPERTYDEFINITIONS
DIEAREA ( 0 0 ) ( 200000 100000 ) ;
COMPONENTS 3 ;
- u1 NAND2 + PLACED ( 20000 10000 ) N ;
- u2 NAND2 + SOURCE TIMING + FIXED ( 40000 10000 ) FS ;
- u3 NAND22 + UNPLACED ;
END COMPONENTS
PINS 2 ;
- clk + NET clk + DIRECTION INPUT + USE SIGNAL + LAYER m2 ( -70 0 ) ( 70 140 )
  + FIXED ( 100000 0 ) N ;
- out + NET n1 + PORT + LAYER m2 ( 0 0 ) ( 200 100 ) + PLACED ( 200000 50000 ) W ;
END PINS
SPECIALNETS 1 ;
- VDD ( * VDD ) + USE POWER ;
END SPECIALNETS
NETS 3 ;
- n1 ( u1 A ) ( u2 A[1] + SYNTHESIZED ) ( PIN out ) + USE SIGNAL
  + ROUTED m2 ( 0 0 ) ( 100 * ) ;
- clk ( PIN clk ) ( u2 A ) ;
- lonely + USE SIGNAL + ROUTED m2 ( 1 2 ) ( 3 4 ) ;
END NETS
END DESIGN
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "cells.lef").write_text(CELLS_LEF)
    (tmp_path / "layers.lef").write_text(LAYERS_LEF)
    (tmp_path / "design.def").write_text(DESIGN_DEF)
    return tmp_path


def test_a_placed_design_is_read(files):
    design = read_def(files / "design.def", files / "layers.lef", files / "cells.lef")
    assert design.name == "adder"
    assert design.die_um == (0, 0, 100, 50)
    assert list(design.nets) == ["n1", "clk", "lonely"]
    n1 = [(10 + 0.6, 5 + 0.5), (20 + 2.2, 5 + 1.4 - 1.25), (100 - 0.025, 25 + 0.05)]
    np.testing.assert_allclose(design.nets["n1"], n1, rtol=1e-12)
    np.testing.assert_allclose(design.nets["clk"], [(50, 0.035), (20.6, 5 + 1.4 - 0.5)], rtol=1e-12)
    assert design.nets["lonely"].shape == (0, 2)


@pytest.mark.parametrize(
    ("count", "heads", "complaint"),
    [
        (3, "", "net n for the second time"),
        (2, "END NETS\nNETS 1 ;\n", "is there once"),
        (2, "", "NETS 2, and 3 items"),
    ],
)
def test_a_net_listed_twice_is_refused(tmp_path, count, heads, complaint):
    pins = "".join(
        f"- p{k} + NET n + LAYER M1 ( 0 0 ) ( 2 2 ) + PLACED ( {k} 0 ) N ;\n" for k in range(4)
    )
    (tmp_path / "design.def").write_text(
        "DESIGN t ;\nUNITS DISTANCE MICRONS 1 ;\nDIEAREA ( 0 0 ) ( 9 9 ) ;\n"
        f"PINS 4 ;\n{pins}END PINS\nNETS {count} ;\n- n ( PIN p0 ) ( PIN p1 ) ;\n- m ( PIN p3 ) ;\n"
        f"{heads}- n ( PIN p2 ) ( PIN p1 ) ;\nEND NETS\nEND DESIGN\n"
    )
    with pytest.raises(ValueError, match=complaint):
        read_def(tmp_path / "design.def")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("( u1 A )", "( u3 A )", r"net n1 with \( u3 A \)"),
        ("( u1 A )", "( u1 B )", r"net n1 with \( u1 B \)"),
        ("- u1 NAND2", "- u1 NOR2", r"net n1 with \( u1 A \)"),
        ("+ FIXED ( 100000 0 ) N", "", r"net clk with \( PIN clk \)"),
        ("DIEAREA", "AREA", "Received.*'AREA'"),
        ("DIEAREA", "HISTORY", "which states DESIGN, UNITS"),
        (DESIGN_DEF, "\x00 no design", "which states none"),
    ],
)
def test_what_is_missing_is_named(files, old, new, complaint):
    (files / "design.def").write_text(DESIGN_DEF.replace(old, new, 1))
    with pytest.raises(ValueError, match=complaint):
        read_def(files / "design.def", files / "cells.lef")


def test_polygons_are_pins_too(files):
    text = DESIGN_DEF.replace("NAND22 + UNPLACED", "NAND22 + PLACED ( 2000 4000 ) N")
    text = text.replace("( u1 A )", "( u3 A )")
    text = text.replace(
        "+ LAYER m2 ( 0 0 ) ( 200 100 )",
        "+ POLYGON m2 ( 0 0 ) ( 800 0 ) ( 800 600 ) ( 600 600 ) ( 600 200 ) ( 0 200 )",
    )
    (files / "design.def").write_text(text)
    cell, _, out = read_def(files / "design.def", files / "cells.lef").nets["n1"]
    np.testing.assert_allclose(cell, (1 + 4, 2 + 1))
    np.testing.assert_allclose(out, (100 - 0.05, 25 + 0.2))


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (1, 0), (0, 1)],
        [(0, 2), (3, 0), (6, 2), (3, 1)],
        [(5, 0), (6, 0), (6, 9), (0, 9), (0, 4), (1, 4), (1, 8), (5, 8)],
    ],
)
def test_a_point_inside_a_polygon_is(corners):
    db = pytest.importorskip("klayout.db")
    polygon = db.DPolygon([db.DPoint(*corner) for corner in corners])
    assert polygon.inside(db.DPoint(*inside(np.array(corners, float))))


def test_properties_of_designs_do_not_rename_it(files):
    more = "END PROPERTYDEFINITIONS"
    text = DESIGN_DEF.replace(more, f"  DESIGN area REAL RANGE 0 9 ;\n{more}", 1)
    (files / "design.def").write_text(text)
    assert read_def(files / "design.def", files / "cells.lef").name == "adder"


def test_a_cell_without_a_size_is_named(files):
    (files / "cells.lef").write_text("MACRO X\n PIN A\n END A\nEND X\nEND LIBRARY\n")
    with pytest.raises(ValueError, match=r"states its SIZE.*macro X"):
        read_def(files / "design.def", files / "cells.lef")


@pytest.mark.parametrize("orientation", TURNS)
def test_klayout_places_cells_alike(files, orientation):
    db = pytest.importorskip("klayout.db")
    text = DESIGN_DEF.replace("( 20000 10000 ) N", f"( 20000 10000 ) {orientation}")
    (files / "design.def").write_text(text)
    drawing = read_by_klayout(db, files / "design.def", files / "layers.lef", files / "cells.lef")
    instance = min(drawing.top_cell().each_inst(), key=lambda i: i.bbox().left)  # u1
    expected = instance.dtrans * db.DPoint(0.5, 0.3)
    found = read_def(files / "design.def", files / "cells.lef").nets["n1"][0]
    np.testing.assert_allclose(found, (expected.x, expected.y), atol=1e-9)


def test_every_pin_that_is_written_is_read(tmp_path):
    nets = [Net.from_labels(labels) for labels in generate(20, seed=2)[1]]
    write_def(nets, tmp_path / "nets.def")
    design = read_def(tmp_path / "nets.def")
    corners = origins_nm(nets, None)
    for net, corner, pins in zip(nets, corners, design.nets.values(), strict=True):
        expected = [np.add(corner, centre_nm(net, *pin)) for pin in net.pins]
        np.testing.assert_array_equal(np.rint(pins * 1000), expected)


def test_wires_are_text(tmp_path):
    pins = [(2, 5), (9, 5)]
    write_def([Net.from_labels(draw_net(pins), pins, name="a")], tmp_path / "a.def")
    text = (tmp_path / "a.def").read_text()
    assert (
        "- a ( PIN a/0 ) ( PIN a/1 )\n"
        "  + ROUTED m4 ( 859 9109 ) ( 3266 9109 )\n"
        "    NEW m2 ( 859 9109 ) m2_m3\n"
        "    NEW m3 ( 859 9109 ) m3_m4\n"
        "    NEW m2 ( 3266 9109 ) m2_m3\n"
        "    NEW m3 ( 3266 9109 ) m3_m4\n"
        "  + USE SIGNAL ;\n"
    ) in text


def read_by_klayout(db, path, *lefs):
    options = db.LoadLayoutOptions()
    options.lefdef_config.lef_files = [str(lef) for lef in lefs]
    options.lefdef_config.read_lef_with_def = False
    options.lefdef_config.macro_resolution_mode = 1
    drawing = db.Layout()
    drawing.read(str(path), options)
    return drawing


def test_klayout_finds_the_same_metal_in_def_and_gds(files):
    pytest.importorskip("gdstk")
    db = pytest.importorskip("klayout.db")
    nets = [Net.from_labels(labels) for labels in generate(20, seed=4)[1]]
    write_def(nets, files / "nets.def")
    gds.write_gds(nets, files / "nets.gds")
    routed = read_by_klayout(db, files / "nets.def", files / "layers.lef")
    drawn = db.Layout()
    drawn.read(str(files / "nets.gds"))
    for name, number in gds.GDS_LAYERS.items():
        expected = db.Region(drawn.top_cell().begin_shapes_rec(drawn.layer(*number)))
        found = db.Region()
        for info in routed.layer_infos():
            if info.name.split(".")[0] == name:
                found += db.Region(routed.top_cell().begin_shapes_rec(routed.layer(info)))
        assert not expected.is_empty()
        assert (found ^ expected).is_empty(), name


def test_what_cannot_be_written_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="must lie inside its window"):
        write_def([Net(((99, 0),), (), ())], tmp_path / "a.def")
    with pytest.raises(ValueError, match="different names"):
        write_def([Net((), (), (), name="a b")], tmp_path / "a.def")
    assert not list(tmp_path.iterdir())
