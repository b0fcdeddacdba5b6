"""Guides from wires: the boxes around the wires and vias of routed nets."""

from keras_route.formats.lefdef import Guide
from keras_route.layout.design import Design, Wires


def wire_guides(design: Design, wires: Wires) -> dict[str, tuple[Guide, ...]]:
    """Return for each net with wires or vias the guides in which another router finds its way.

    Each wire and the metal of each via has a box around it, a pitch of the layer wider on all
    sides, within the die. Boxes that lie in another one of their net are left out.

    Args:
        design: the design.
        wires: of its nets.
    """
    names = list(design.nets)
    index = {metal.name: k for k, metal in enumerate(design.technology.metals)}
    found: dict[str, list[tuple[int, ...]]] = {}
    for net, *line in wires.wires.tolist():
        found.setdefault(names[net], []).append(tuple(line))
    for net, via, x, y in wires.vias.tolist():
        for layer in design.technology.vias[via].boxes_um.keys() & index.keys():
            found.setdefault(names[net], []).append((index[layer], x, y, x, y))
    return {name: _boxes(design, found[name]) for name in names if name in found}


def _boxes(design, lines):
    """Return the boxes around centre lines (metal, x0, y0, x1, y1)."""
    metals, die = design.technology.metals, design.die
    boxes = set()
    for metal, x0, y0, x1, y1 in lines:
        pitch = round(metals[metal].pitch_um * design.dbu_per_um)
        low = max(x0 - pitch, die[0]), max(y0 - pitch, die[1])
        high = min(x1 + pitch, die[2]), min(y1 + pitch, die[3])
        boxes.add((metal, *low, *high))
    kept = [box for box in sorted(boxes) if not any(_holds(o, box) for o in boxes - {box})]
    return tuple(Guide(metals[metal].name, tuple(box)) for metal, *box in kept)


def _holds(one, other):
    """Return whether a box holds another one of its layer."""
    return one[0] == other[0] and all(
        (one[1] <= other[1], one[2] <= other[2], other[3] <= one[3], other[4] <= one[4])
    )
