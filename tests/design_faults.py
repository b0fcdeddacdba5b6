"""Faults of a routed design, by comparing each shape with all others."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def drawn(design, wires):
    """Return layer, box, net and thing of all shapes drawn; a via is one thing of three shapes."""
    technology, dbu = design.technology, design.dbu_per_um
    names = technology.layer_names
    rows = []
    for thing, (net, metal, x0, y0, x1, y1) in enumerate(wires.wires.tolist()):
        half = round(technology.metals[metal].width_um * dbu / 2)
        rows.append((2 * metal, (x0 - half, y0 - half, x1 + half, y1 + half), net, thing))
    for thing, (net, kind, x, y) in enumerate(wires.vias.tolist(), len(wires.wires)):
        for layer, boxes in technology.vias[kind].boxes_um.items():
            for box in boxes:
                moved = np.round(np.multiply(box, dbu)).astype(int) + (x, y, x, y)
                rows.append((names.index(layer), tuple(moved.tolist()), net, thing))
    layers, boxes, nets, things = zip(*rows, strict=True) if rows else ((), (), (), ())
    return (
        np.array(layers, int),
        np.array(boxes, int).reshape(-1, 4),
        np.array(nets, int),
        np.array(things, int),
    )


def gaps(some, others):
    """Return the gaps along x and y between boxes, (some, others, 2); overlaps are below 0."""
    a, b = some[:, None], others[None]
    return np.maximum(a[..., :2] - b[..., 2:], b[..., :2] - a[..., 2:])


def spaces(design, layer, some, others):
    """Return the space that shapes of one layer must keep, (some, others)."""
    if layer % 2:
        return design.technology.cuts[layer // 2].spacing_um * design.dbu_per_um
    table = design.technology.metals[layer // 2].spacing
    sides = [(boxes[:, 2:] - boxes[:, :2]).min(axis=1) for boxes in (some, others)]
    width = np.maximum(sides[0][:, None], sides[1][None]) / design.dbu_per_um
    a, b = some[:, None], others[None]
    side_by_side = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    length = side_by_side.max(axis=2) / design.dbu_per_um
    rows = (width[..., None] >= np.array(table.widths_um) - 1e-9).sum(axis=2) - 1
    columns = (length[..., None] > np.array(table.lengths_um) + 1e-9).sum(axis=2) - 1
    spaces_um = np.array(table.spaces_um)
    return spaces_um[rows, np.maximum(columns, 0)] * design.dbu_per_um


def faults(design, wires):
    """Return a sentence for each rule that is broken; empty for a legal result.

    Shapes of two nets, and cuts of one, keep their space. So do shapes of one net on one layer that
    are not joined on that layer. All pins of a net that has wires are one piece with all of its
    shapes. Pins that lie side by side as they are placed are no matter.
    """
    layers, boxes, nets, things = drawn(design, wires)
    fixed = design.shapes
    found = []
    for layer in np.unique(layers):
        here, there = np.flatnonzero(layers == layer), np.flatnonzero(fixed.layer == layer)
        name = design.technology.layer_names[layer]
        every = np.concatenate([boxes[here], fixed.box[there]])
        owner = np.concatenate([nets[here], fixed.net[there]])
        gap = gaps(boxes[here], every)
        near = np.hypot(*np.maximum(gap, 0).transpose(2, 0, 1)) + 1e-6 < spaces(
            design, layer, boxes[here], every
        )
        if layer % 2 == 0:
            joined = pieces(gaps(every, every).max(axis=2) <= 0)
            near &= (owner != nets[here][:, None]) | (joined != joined[: len(here), None])
        near &= np.arange(len(every)) > np.arange(len(here))[:, None]
        for a, b in np.argwhere(near):
            found.append(f"{name}: {boxes[here[a]]} of {nets[here[a]]}, {every[b]} of {owner[b]}")
    for net in np.unique(nets):
        own = nets == net
        pins = np.flatnonzero((fixed.net == net) & (fixed.pin >= 0))
        count = len(set(fixed.pin[pins].tolist()))
        every = np.concatenate([boxes[own], fixed.box[pins]])
        layer = np.concatenate([layers[own], fixed.layer[pins]])
        part = np.concatenate([things[own], fixed.pin[pins] + len(boxes)])
        touch = (gaps(every, every).max(axis=2) <= 0) & (layer[:, None] == layer)
        if len(np.unique(pieces(touch | (part[:, None] == part)))) > 1:
            found.append(f"net {net} with {count} pins is in pieces")
    return found


def pieces(joined):
    """Return the piece of each thing, from a matrix that tells which two are joined."""
    return connected_components(coo_array(joined), directed=False)[1]
