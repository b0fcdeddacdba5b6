"""The lattice of a design: the tracks of its metals, and the room that their shapes take."""

import dataclasses

import numpy as np

from keras_route.layout.design import Design
from keras_route.technology.technology import Box, RoutingLayer, Technology, ViaShape


@dataclasses.dataclass(frozen=True)
class Lattice:
    """All crossings of tracks, on a stack of planes; plane `p` is metal `lowest + p`.

    A horizontal metal has wires on the rows that are its tracks, and nodes at all columns of it;
    a vertical metal the other way round. Lengths are integers in database units. Vias on level `q`
    join plane `q - 1` and plane `q`; those of level 0 reach the pins on the metal below plane 0.

    Args:
        x: (columns,) increasing coordinates.
        y: (rows,) increasing coordinates.
        lowest: index of the first metal with wires, in `Technology.metals`.
        horizontal: (planes,) booleans.
        on_column: (planes, columns) booleans, where the metal has wires.
        on_row: (planes, rows) booleans, where the metal has wires.
        half_width: (planes,) of wires.
        space: (planes,) around wires and vias.
        via: (planes,) index into `Technology.vias` of the via of each level; -1 without one.
        below, cut, above: (planes, 4) boxes of these vias around their origin: left, bottom, right
            and top on the metal below, of the cut, and on the metal above.
        cut_space: (planes,) between cuts of a level.
        under_space: space on the metal below plane 0.
        entry_boxes: (vias, 4) box of each via of the technology on that metal, zeros without one.
    """

    x: np.ndarray
    y: np.ndarray
    lowest: int
    horizontal: np.ndarray
    on_column: np.ndarray
    on_row: np.ndarray
    half_width: np.ndarray
    space: np.ndarray
    via: np.ndarray
    below: np.ndarray
    cut: np.ndarray
    above: np.ndarray
    cut_space: np.ndarray
    under_space: int
    entry_boxes: np.ndarray

    @property
    def planes(self) -> int:
        """Number of metals that have wires."""
        return len(self.horizontal)

    @classmethod
    def of(cls, design: Design, lowest: int, highest: int) -> "Lattice":
        """Return the lattice of a design.

        Args:
            design: with tracks on the metals from `lowest` to `highest`.
            lowest: index of the first metal with wires.
            highest: index of the last one.

        Raises:
            ValueError: one of these metals has no tracks along its direction, or no via of the
                technology joins it with the one below.
        """
        technology, dbu = design.technology, design.dbu_per_um
        metals = technology.metals[lowest : highest + 1]
        lines = [_tracks(design, metal) for metal in metals]
        flat = np.array([metal.horizontal for metal in metals])
        x = _union([line for line, h in zip(lines, flat, strict=True) if not h])
        y = _union([line for line, h in zip(lines, flat, strict=True) if h])
        vias = [best_via(technology, k - 1) if k else -1 for k in range(lowest, highest + 1)]
        boxes = np.array([_via_boxes(technology, via, dbu) for via in vias])
        cuts = [technology.cuts[k - 1] if k else None for k in range(lowest, highest + 1)]
        under = technology.metals[lowest - 1] if lowest else metals[0]
        return cls(
            x=x,
            y=y,
            lowest=lowest,
            horizontal=flat,
            on_column=np.array([h | np.isin(x, line) for line, h in zip(lines, flat, strict=True)]),
            on_row=np.array([~h | np.isin(y, line) for line, h in zip(lines, flat, strict=True)]),
            half_width=np.array([round(m.width_um * dbu / 2) for m in metals]),
            space=np.array([_space(m, dbu) for m in metals]),
            via=np.array(vias),
            below=boxes[:, 0],
            cut=boxes[:, 1],
            above=boxes[:, 2],
            cut_space=np.array([round(c.spacing_um * dbu) if c else 0 for c in cuts]),
            under_space=_space(under, dbu),
            entry_boxes=np.array(
                [_box_on(via, under.name, dbu) for via in technology.vias]
            ).reshape(-1, 4),
        )


def _tracks(design, metal):
    """Return the coordinates of a metal's tracks along its direction."""
    found = [
        track.start + track.step * np.arange(track.count)
        for track in design.tracks
        if track.layer == metal.name and track.vertical != metal.horizontal
    ]
    if not found:
        wanted = "Y" if metal.horizontal else "X"
        raise ValueError(
            f"Each routing layer has tracks along its direction: add `TRACKS {wanted} ... LAYER "
            f"{metal.name} ;` to the DEF file, or leave the layer out. Received: design "
            f"{design.name!r}, without them"
        )
    return np.unique(np.concatenate(found))


def _union(lines):
    return np.unique(np.concatenate(lines)) if lines else np.zeros(0, np.int64)


def _space(metal: RoutingLayer, dbu: int) -> int:
    """Return the space around wires of a metal, however long they run side by side."""
    return round(metal.spacing.space_um(metal.width_um, np.inf) * dbu)


def best_via(technology: Technology, below: int) -> int:
    """Return the index of the via that wires of metal `below` and the next one use.

    It is the one whose metal sticks out of the wires least across their direction, then along it.

    Raises:
        ValueError: the technology has none with a single cut.
    """
    found = fitting_vias(technology, below)
    if not found:
        lower, upper = technology.metals[below : below + 2]
        raise ValueError(
            f"A LEF file has a VIA with one cut from {lower.name} to {upper.name}, which wires "
            f"use: add it. Received: {len(technology.vias)} vias, none of these layers"
        )
    return min(found, key=lambda via: _clumsiness(technology, below, technology.vias[via]))


def fitting_vias(technology: Technology, below: int) -> list[int]:
    """Return the indices of the vias with one cut that join metal `below` and the next one."""
    names = {
        technology.metals[below].name,
        technology.cuts[below].name,
        technology.metals[below + 1].name,
    }
    cut = technology.cuts[below].name
    return [
        i
        for i, via in enumerate(technology.vias)
        if set(via.boxes_um) == names and len(via.boxes_um[cut]) == 1
    ]


def _clumsiness(technology: Technology, below: int, via: ViaShape):
    across = along = 0.0
    for metal in technology.metals[below : below + 2]:
        left, bottom, right, top = hull(via.boxes_um[metal.name])
        sides = (top - bottom, right - left) if metal.horizontal else (right - left, top - bottom)
        across += max(0.0, sides[0] - metal.width_um)
        along += sides[1]
    return (not via.default, round(across, 6), round(along, 6), via.name)


def hull(boxes: tuple[Box, ...]) -> Box:
    """Return the bounding box of boxes."""
    left, bottom, right, top = zip(*boxes, strict=True)
    return min(left), min(bottom), max(right), max(top)


def _box_on(via, layer, dbu):
    boxes = via.boxes_um.get(layer)
    return np.round(np.multiply(hull(boxes), dbu)).astype(int) if boxes else np.zeros(4, int)


def _via_boxes(technology, via, dbu):
    """Return the boxes of a via on the metal below, its cut and the metal above, (3, 4)."""
    if via < 0:
        return np.zeros((3, 4), np.int64)
    order = technology.layer_names
    boxes = sorted(technology.vias[via].boxes_um.items(), key=lambda item: order.index(item[0]))
    return np.array([np.round(np.multiply(hull(found), dbu)) for _, found in boxes]).astype(int)
