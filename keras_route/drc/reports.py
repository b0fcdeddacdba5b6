"""Files of a check: klayout's report database, and the metrics as JSON."""

import json
import os

from keras_route.drc.check import RouteCheck
from keras_route.drc.klayout import klayout
from keras_route.files import written_whole


def write_metrics(check: RouteCheck, path: str | os.PathLike) -> None:
    """Write the metrics as a JSON object: name to number."""
    values = {name: round(value, 4) for name, value in check.metrics.items()}
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=1)
        file.write("\n")


def write_lyrdb(check: RouteCheck, path: str | os.PathLike) -> None:
    """Write all findings as klayout's report database (`.lyrdb`), a category for each rule.

    Raises:
        ImportError: klayout is not installed.
    """
    kdb, rdb = klayout(), klayout("rdb")
    database = rdb.ReportDatabase(check.design)
    database.top_cell_name = check.design
    cell = database.create_cell(check.design).rdb_id()
    categories = {}

    def add(name, description, boxes, text):
        if name not in categories:
            categories[name] = database.create_category(name)
            categories[name].description = description
        item = database.create_item(cell, categories[name].rdb_id())
        item.add_value(text)
        for box in boxes:
            item.add_value(kdb.DPolygon(kdb.DBox(*box)))

    for net in check.opens:
        add("open", "Pins of a net that its metal does not join", net.boxes_um, str(net))
    for about, violations in (("", check.violations), (" (existing)", check.existing)):
        for violation in violations:
            name = f"{violation.rule} {violation.layer}{about}"
            add(name, name, [violation.box_um], str(violation))
    with written_whole(path) as temporary:
        database.save(temporary)
