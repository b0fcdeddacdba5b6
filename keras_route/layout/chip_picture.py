"""Pictures of a routed design: each layer in a colour, supply faint, cells as outlines."""

import importlib
import os
from collections.abc import Mapping

import numpy as np

from keras_route.files import written_whole
from keras_route.layout.design import NO_NET, Design, Wires
from keras_route.technology.technology import Box

GROUND, CELL, FAINT, TEXT = "#0e1320", "#1b2538", "#8895ad", "#dfe6f3"
METALS = (
    *("#6f8cff", "#ff5d73", "#37d39b", "#ffc44d", "#b48cff", "#3fd0ff", "#ff8f45", "#f58ad8"),
    *("#a8e05f", "#d9dde6"),
)
VIA, PIN = "#ffffff", "#e9edf5"
DOTS = 3000  # of the longer side of the chip
MOST_VECTORS = 50_000  # shapes beyond that are dots in an SVG file, too
DPI = 200


def write_chip_picture(
    design: Design,
    wires: Wires,
    path: str | os.PathLike,
    outlines: Mapping[str, Box] | None = None,
    window: Box | None = None,
) -> None:
    """Write a picture of the wires of a design as PNG or SVG.

    Metals lie on each other as on the chip. A legend names each layer with the length of its
    wires. Very many shapes become dots in an SVG file, too.

    Args:
        design: the placed design.
        wires: its wires and vias.
        path: file that ends in `.png` or `.svg`.
        outlines: name of each component to its box, such as `read_outlines` gives them; those of
            nets are drawn.
        window: left, bottom, right, top of the part to draw, in database units; by default, what
            wires and pins cover.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the path has another ending, or the window is empty.
    """
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending not in (".png", ".svg"):
        raise ValueError(
            "A picture of a chip is a .png or .svg file: choose one of these endings. "
            f"Received: path={os.fspath(path)!r}"
        )
    drawing = chip_figure(design, wires, outlines, window)
    with written_whole(path) as temporary:
        drawing.savefig(temporary, format=ending[1:], dpi=DPI, facecolor=GROUND)


def chip_figure(
    design: Design,
    wires: Wires,
    outlines: Mapping[str, Box] | None = None,
    window: Box | None = None,
):
    """Return the same picture as a matplotlib figure."""
    view = _covered(design, wires) if window is None else tuple(window)
    if not (view[0] < view[2] and view[1] < view[3]):
        raise ValueError(
            "The window of a picture must be left, bottom, right, top with left < right and "
            f"bottom < top. Received: window={window}"
        )
    scale = DOTS / DPI / max(view[2] - view[0], view[3] - view[1])
    size = (max(4.0, (view[2] - view[0]) * scale), max(3.0, (view[3] - view[1]) * scale) + 1.2)
    drawing = _matplotlib("figure").Figure(figsize=size, layout="constrained")
    axis = drawing.add_subplot()
    axis.set(xlim=view[::2], ylim=view[1::2], xticks=[], yticks=[], aspect="equal")
    axis.set_facecolor(GROUND)
    for side in axis.spines.values():
        side.set_color(CELL)
    _draw(axis, design, wires, outlines or {}, view)
    _legend(drawing, axis, design, wires)
    _ruler(axis, design.dbu_per_um, view)
    return drawing


def wire_boxes(design: Design, wires: Wires) -> np.ndarray:
    """Return the metal of wires, (n, 5): index of the metal, left, bottom, right, top."""
    half = np.array(
        [round(metal.width_um * design.dbu_per_um / 2) for metal in design.technology.metals],
        np.int64,
    )
    table = np.asarray(wires.wires, np.int64).reshape(-1, 6)
    reach = half[table[:, 1]][:, None] * np.array([-1, -1, 1, 1])
    return np.concatenate((table[:, 1:2], table[:, 2:] + reach), axis=1)


def _via_boxes(design, wires):
    """Return the cuts of vias as boxes (n, 4)."""
    cuts = {cut.name for cut in design.technology.cuts}
    found = []
    table = np.asarray(wires.vias, np.int64).reshape(-1, 4)
    for index, via in enumerate(design.technology.vias):
        places = np.tile(table[table[:, 1] == index][:, 2:], 2)
        for layer in cuts & set(via.boxes_um):
            boxes = np.rint(np.array(via.boxes_um[layer]) * design.dbu_per_um).astype(np.int64)
            found += [places + box for box in boxes]
    return np.concatenate([np.zeros((0, 4), np.int64), *found])


def _covered(design, wires):
    """Return the box of wires and pins with a margin; the die if there are none."""
    shapes = design.shapes
    boxes = np.concatenate((wire_boxes(design, wires)[:, 1:], shapes.box[shapes.pin >= 0]))
    if not len(boxes):
        return design.die
    margin = round(np.ptp(boxes.reshape(-1, 2), axis=0).max() * 0.01) + design.dbu_per_um // 2
    low, high = boxes[:, :2].min(axis=0) - margin, boxes[:, 2:].max(axis=0) + margin
    return (*low.tolist(), *high.tolist())


def _draw(axis, design, wires, outlines, view):
    shapes, metal = design.shapes, wire_boxes(design, wires)
    supply = (shapes.net == NO_NET) & (shapes.layer % 2 == 0)
    used = {component for pins in design.nets.values() for component, _ in pins}
    cells = [box for name, box in outlines.items() if name in used]
    cells = np.array(cells, np.int64).reshape(-1, 4)
    layers = [(cells, {"facecolor": CELL, "edgecolor": "#2c3a55", "linewidth": 0.4})]
    layers += [(shapes.box[supply], {"facecolor": FAINT, "alpha": 0.13})]
    layers += [(shapes.box[shapes.pin >= 0], {"facecolor": PIN, "alpha": 0.45})]
    for index in range(len(design.technology.metals)):
        layers.append((metal[metal[:, 0] == index][:, 1:], {"facecolor": _colour(index)}))
        layers[-1][1]["alpha"] = 0.82
    layers.append((_via_boxes(design, wires), {"facecolor": VIA, "alpha": 0.9}))
    layers = [(_within(boxes, view), style) for boxes, style in layers]
    many = sum(len(boxes) for boxes, _ in layers) > MOST_VECTORS
    collection = _matplotlib("collections").PolyCollection
    for height, (boxes, style) in enumerate(layers):
        corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        options = {"linewidth": 0, "zorder": height + 1, "rasterized": many} | style
        axis.add_collection(collection(corners, **options), autolim=False)


def _within(boxes, view):
    left, bottom, right, top = view
    inside = (boxes[:, 0] < right) & (boxes[:, 2] > left)
    return boxes[inside & (boxes[:, 1] < top) & (boxes[:, 3] > bottom)]


def _colour(index):
    return METALS[index % len(METALS)]


def _legend(drawing, axis, design, wires):
    """Write the layers that have wires, with their length, and the rest, below the chip."""
    patch = _matplotlib("patches").Patch
    table = np.asarray(wires.wires, np.int64).reshape(-1, 6)
    lengths = (table[:, 4:] - table[:, 2:4]).sum(axis=1) / design.dbu_per_um
    entries = [
        patch(color=_colour(index), label=f"{metal.name}  {lengths[rows].sum():,.0f} µm")
        for index, metal in enumerate(design.technology.metals)
        if (rows := table[:, 1] == index).any()
    ]
    entries += [
        patch(color=VIA, label=f"vias  {len(wires.vias):,}"),
        patch(color=PIN, alpha=0.45, label="pins"),
        patch(color=FAINT, alpha=0.3, label="supply, obstructions"),
    ]
    legend = drawing.legend(
        handles=entries,
        loc="outside lower center",
        ncols=min(len(entries), 5),
        frameon=False,
        labelcolor=TEXT,
        fontsize=11,
    )
    legend.set_zorder(100)
    axis.set_title(
        f"{design.name}: {len(design.nets):,} nets, {lengths.sum():,.0f} µm of wire",
        color=TEXT,
        fontsize=14,
        loc="left",
    )


def _ruler(axis, dbu_per_um, view):
    """Draw a round length, about a sixth of the width, in the lower left corner."""
    width_um = (view[2] - view[0]) / dbu_per_um
    power = 10 ** np.floor(np.log10(width_um / 6))
    length_um = max(step * power for step in (1, 2, 5) if step * power <= width_um / 6)
    x, y = view[0] + 0.02 * (view[2] - view[0]), view[1] + 0.02 * (view[3] - view[1])
    axis.plot([x, x + length_um * dbu_per_um], [y, y], color=TEXT, linewidth=3, zorder=99)
    axis.text(
        x,
        y + 0.008 * (view[3] - view[1]),
        f"{length_um:g} µm",
        color=TEXT,
        fontsize=11,
        zorder=99,
        bbox={"facecolor": GROUND, "alpha": 0.7, "edgecolor": "none", "pad": 2},
    )


def _matplotlib(name):
    try:
        return importlib.import_module(f"matplotlib.{name}")
    except ImportError as error:
        raise ImportError(
            'Pictures of chips are drawn by matplotlib: pip install "keras-alt[plots]".'
        ) from error
