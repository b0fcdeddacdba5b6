"""A placed design with the wires of its nets, as the original DEF file with `+ ROUTED` added."""

import gzip
import os
import re

import numpy as np

from keras_route.files import written_whole
from keras_route.formats.lefdef.def_file import read_file
from keras_route.formats.lefdef.nets import net_items
from keras_route.formats.lefdef.wiring import CONTINUED
from keras_route.layout.design import Design, Wires


def write_routed(
    design_path: str | os.PathLike, path: str | os.PathLike, wires: Wires, design: Design
) -> None:
    """Write the DEF file of a placed design again, with wires.

    In front of and behind `NETS`, the file is the original to the byte. In `NETS`, the nets that
    have wires keep their options; their earlier `ROUTED` wires are replaced, and `FIXED` ones stay.
    Nets without wires stay as they are.

    Args:
        design_path: the DEF file that `design` was read from.
        path: the file to write; a name that ends in `.gz` is compressed.
        wires: of nets of the design.
        design: as `read_design` returned it.

    Raises:
        ValueError: the wires are not of this design, or the design is not of this file.
    """
    _check(wires, design)
    file = read_file(design_path)
    items = net_items(file)
    names = [name for name, item in items.items() if not item.supply]
    if names != list(design.nets) or file.dbu_per_um != design.dbu_per_um:
        raise ValueError(
            "The wires are written into the file that the design was read from: give its path. "
            f"Received: design_path={os.fspath(design_path)!r} with {len(names)} nets, a design "
            f"with {len(design.nets)} nets, or with other names or units"
        )
    text, done, pieces = file.source.text, 0, []
    line_end = "\r\n" if "\r\n" in text else "\n"
    for net, (lines, vias) in _rows_of_nets(wires).items():
        item = items[names[net]]
        start = item.statement.start
        end = file.source.plain.index(";", start)
        # Wires have the width of their layer, whatever rule the net has.
        taper = " TAPER" if any(words[0] == "NONDEFAULTRULE" for words in item.options) else ""
        routed = f"{line_end}      NEW ".join(_paths(lines, vias, design, taper))
        kept = _without_wires(text[start:end], file.source.plain[start:end])
        pieces += [text[done:start], kept, f"{line_end}      + ROUTED {routed} "]
        done = end
    with written_whole(path) as temporary:
        _write("".join([*pieces, text[done:]]), temporary)


def _write(text, path):
    data = text.encode("utf-8", errors="surrogateescape")
    with open(path, "wb") as file:
        # Without the time, the same design is the same file.
        file.write(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)


def _without_wires(text, plain):
    """Return the text of a net without its `ROUTED` wires; `plain` is without comments."""
    words = [(match[0], match.start()) for match in re.finditer(r"\S+", plain)]
    starts = [(words[k + 1][0], at) for k, (word, at) in enumerate(words[:-1]) if word == "+"]
    kept, last, removed = [], 0, False
    for word, at in [*starts, ("", len(text))]:
        kept.append("" if removed else text[last:at])
        removed = word == "ROUTED" or (removed and word in CONTINUED)
        last = at
    return "".join(kept).rstrip()


def _rows_of_nets(wires):
    """Return the index of each net that has wires to the rows of its wires and of its vias."""
    found: dict[int, tuple[list[list[int]], list[list[int]]]] = {}
    for k, rows in enumerate((wires.wires, wires.vias)):
        for net, *row in np.asarray(rows).tolist():
            found.setdefault(net, ([], []))[k].append(row)
    return dict(sorted(found.items()))


def _paths(lines, vias, design, taper):
    """Yield the paths of a net, which `NEW` separates."""
    technology = design.technology
    for metal, x0, y0, x1, y1 in lines:
        layer = technology.metals[metal]
        if (x0, y0) == (x1, y1):
            half = -(-round(layer.width_um * design.dbu_per_um) // 2)
            way = f"RECT ( {-half} {-half} {half} {half} )"
        else:
            way = f"( {'*' if x0 == x1 else x1} {'*' if y0 == y1 else y1} )"
        yield f"{layer.name}{taper} ( {x0} {y0} ) {way}"
    for via, x, y in vias:
        shape = technology.vias[via]
        lowest = min(shape.boxes_um, key=technology.layer_names.index)
        yield f"{lowest}{taper} ( {x} {y} ) {shape.name}"


def _check(wires, design):
    counts = (len(design.nets), len(design.technology.metals), len(design.technology.vias))
    lines = _rows(wires.wires, 6, "wires")
    vias = _rows(wires.vias, 4, "vias")
    wrong = (
        _outside(lines[:, 0], counts[0])
        | _outside(lines[:, 1], counts[1])
        | (lines[:, 2] > lines[:, 4])
        | (lines[:, 3] > lines[:, 5])
        | ((lines[:, 2] != lines[:, 4]) & (lines[:, 3] != lines[:, 5]))
    )
    _refuse(lines, wrong, "A wire has a net and a metal of the design, and runs to the right or up")
    wrong = _outside(vias[:, 0], counts[0]) | _outside(vias[:, 1], counts[2])
    _refuse(vias, wrong, "A via has a net of the design, and is one of its technology")


def _rows(rows, columns, name):
    rows = np.asarray(rows)
    if rows.size == 0:
        return np.zeros((0, columns), np.int64)
    if rows.ndim != 2 or rows.shape[1] != columns or rows.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` is an array of integers with {columns} columns: see `Wires`. "
            f"Received: shape {rows.shape}, {rows.dtype}"
        )
    return rows


def _outside(indices, count):
    return (indices < 0) | (indices >= count)


def _refuse(rows, wrong, expected):
    for i in np.flatnonzero(wrong)[:1]:
        raise ValueError(f"{expected}: correct it. Received: row {i}, {rows[i].tolist()}")
