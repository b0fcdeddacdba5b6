"""The metal of LEF and DEF files as klayout's own reader finds it, and that of a design."""

import pytest


def by_klayout(path, *lefs, dbu_per_um=1000):
    """Return the region of each layer: wires, pins, obstructions, blockages and fills."""
    db = pytest.importorskip("klayout.db")
    options = db.LoadLayoutOptions()
    config = options.lefdef_config
    config.lef_files = [str(lef) for lef in lefs]
    config.read_lef_with_def = False
    config.macro_resolution_mode = 1
    config.dbu = 1 / dbu_per_um
    layout = db.Layout()
    layout.read(str(path), options)
    found = {}
    for info in layout.layer_infos():
        name = info.name.split(".")[0]
        shapes = layout.top_cell().begin_shapes_rec(layout.layer(info))
        found[name] = (found.get(name, db.Region()) + db.Region(shapes)).merged()
    return found


def of_design(design):
    """Return the region of each layer of the technology."""
    db = pytest.importorskip("klayout.db")
    found = {}
    for i, name in enumerate(design.technology.layer_names):
        boxes = design.shapes.box[design.shapes.layer == i].tolist()
        found[name] = db.Region([db.Box(*box) for box in boxes])
    return found


def differences(path, *lefs, design):
    """Return the layers on which the metal of a file is not that of a design, with an example."""
    db = pytest.importorskip("klayout.db")
    klayout = by_klayout(path, *lefs, dbu_per_um=design.dbu_per_um)
    found = {}
    for name, region in of_design(design).items():
        wrong = (region ^ klayout.get(name, db.Region())).merged()
        if not wrong.is_empty():
            found[name] = str(next(wrong.each()))
    return found
