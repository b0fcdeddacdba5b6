"""Small placed designs of a technology like one of 45 nm, with pins, straps and obstructions."""

import numpy as np

from keras_route.layout.design import NO_NET, Design, Shapes, Tracks
from keras_route.technology.technology import (
    CutLayer,
    RoutingLayer,
    SpacingTable,
    Technology,
    ViaShape,
)

DBU = 2000
METALS = 6
SITE = (380, 1400)  # of pins: every column of metal2, so that pins are on neighbouring tracks
HALF_PIN = (70, 280)


def technology():
    """Return six metals; metal2 and all others of an even number run along y."""
    widths, spaces = (0.07, 0.07, 0.07, 0.14, 0.14, 0.14), (0.065, 0.07, 0.07, 0.14, 0.14, 0.14)
    pitches, ohms = (0.14, 0.19, 0.14, 0.28, 0.28, 0.28), (5.4, 3.6, 3.6, 1.5, 1.5, 1.5)
    tables = [
        # Wide and long shapes keep more space.
        SpacingTable((0.0, 0.27, 0.5), (0.0, 0.3, 0.9), ((s, s, s), (s, s, 0.2), (s, 0.25, 0.3)))
        for s in spaces
    ]
    metals = tuple(
        RoutingLayer(f"metal{k + 1}", k % 2 == 0, pitches[k], widths[k], tables[k], ohms[k])
        for k in range(METALS)
    )
    cut_widths, cut_spaces = (0.07, 0.07, 0.07, 0.14, 0.14), (0.08, 0.09, 0.09, 0.16, 0.16)
    cuts = tuple(
        CutLayer(f"via{k + 1}", cut_spaces[k], cut_widths[k], (5.0, 5.0, 5.0, 3.0, 3.0)[k])
        for k in range(METALS - 1)
    )
    upright, flat, small = (0.035, 0.07), (0.07, 0.035), (0.035, 0.035)
    wide = (0.07, 0.07)
    vias = (
        _via("via1_4", 1, upright, small, upright),
        _via("via1_7", 1, flat, small, upright),
        _via("via2_5", 2, upright, small, flat),
        _via("via3_2", 3, flat, small, wide),
        _via("via4_0", 4, wide, wide, wide),
        _via("via5_0", 5, wide, wide, wide),
    )
    return Technology(metals, cuts, vias)


def _via(name, level, below, cut, above):
    layers = (f"metal{level}", f"via{level}", f"metal{level + 1}")
    boxes = {
        layer: ((-x, -y, x, y),) for layer, (x, y) in zip(layers, (below, cut, above), strict=True)
    }
    return ViaShape(name, boxes)


def tracks(side):
    """Return tracks of all metals in both directions, across a die of a side."""
    found = []
    for k in range(METALS):
        steps = ((True, 190, 380 if k < 3 else 560), (False, 140, 280 if k < 3 else 560))
        for vertical, start, step in steps:
            found.append(Tracks(vertical, start, (side - start) // step, step, f"metal{k + 1}"))
    return tuple(found)


def design(pins, side, fixed=()):
    """Return a design.

    Args:
        pins: for each net, for each pin, its shapes: layer and box.
        side: of the die, in database units.
        fixed: shapes without a net: layer and box.
    """
    rows = [
        (layer, box, net, pin)
        for net, found in enumerate(pins)
        for pin, shapes in enumerate(found)
        for layer, box in shapes
    ]
    rows += [(layer, box, NO_NET, -1) for layer, box in fixed]
    layers, boxes, nets, numbers = zip(*rows, strict=True) if rows else ((), (), (), ())
    shapes = Shapes(
        np.array(layers, int),
        np.array(boxes, int).reshape(-1, 4),
        np.array(nets, int),
        np.array(numbers, int),
    )
    names = {
        f"n{net}": tuple((f"c{net}_{pin}", "A") for pin in range(len(found)))
        for net, found in enumerate(pins)
    }
    return Design("small", DBU, (0, 0, side, side), technology(), tracks(side), names, shapes)


def pin_at(column, row):
    """Return a pin on metal1, upright, on a column of metal2, three rows high."""
    x, y = 190 + SITE[0] * column, 420 + SITE[1] * row
    return [(0, (x - HALF_PIN[0], y - HALF_PIN[1], x + HALF_PIN[0], y + HALF_PIN[1]))]


def random_design(count, side_um, seed, straps=False, obstructions=0):
    """Return a design with nets of two to six pins that are near to each other.

    Args:
        count: of nets.
        side_um: of the die.
        seed: of the draw.
        straps: whether supply runs along the rows on metal1 and across the die on metal4.
        obstructions: number of boxes of metal2, metal3 and metal5 that are in the way.
    """
    rng = np.random.default_rng(seed)
    side = round(side_um * DBU)
    columns, rows = side // SITE[0] - 1, side // SITE[1] - 1
    free = {(i, j) for i in range(1, columns) for j in range(rows)}
    nets = []
    for _ in range(count):
        centre = rng.uniform((1, 0), (columns, rows))
        pins = []
        for _ in range(rng.choice([2, 2, 2, 3, 3, 4, 6])):
            wish = centre + rng.normal(0, (columns / 8, rows / 8))
            site = min(sorted(free), key=lambda s: abs(s[0] - wish[0]) + 3 * abs(s[1] - wish[1]))
            free.remove(site)
            pins.append(pin_at(*site))
        nets.append(pins)
    fixed = supply(side) if straps else []
    for _ in range(obstructions):
        x, y = rng.integers(0, side, 2)
        w, h = rng.integers(200, 2000, 2)
        fixed.append((int(rng.choice([2, 4, 8])), (x, y, min(x + w, side), min(y + h, side))))
    return design(nets, side, fixed)


def odd_pins_design(count, side_um, seed, layers=(0, 0, 0, 4)):
    """Return a design whose pins have any size and place, most on metal1 and some on metal3.

    Half of them have an obstruction of metal1 close by.
    """
    rng = np.random.default_rng(seed)
    side = round(side_um * DBU)
    sites = rng.permutation([(i, j) for i in range(side // 1520) for j in range(side // 1400)])
    nets, fixed, pins = [], [], iter(sites.tolist())
    for _ in range(count):
        net = []
        for _ in range(rng.integers(2, 4)):
            i, j = next(pins)
            x, y = np.array((1520 * i + 300, 1400 * j + 200)) + rng.integers(0, (300, 200))
            w, h = rng.integers((200, 140), (620, 700))
            net.append([(int(rng.choice(layers)), tuple(map(int, (x, y, x + w, y + h))))])
            if rng.random() < 0.5:
                fixed.append((0, (int(x) - 270, int(y), int(x) - 130, int(y + h))))
        nets.append(net)
    return design(nets, side, fixed)


def supply(side):
    """Return rails of metal1 between the rows of pins, and straps of metal4 with vias below."""
    rails = [(0, (0, y - 70, side, y + 70)) for y in range(1120, side, SITE[1])]
    straps = []
    for x in range(side // 4, side, side // 2):
        straps.append((6, (x - 480, 0, x + 480, side)))
        straps += [(5, (x - 70, y - 70, x + 70, y + 70)) for y in range(1120, side, 2 * SITE[1])]
        straps += [(4, (x - 140, y - 70, x + 140, y + 70)) for y in range(1120, side, 2 * SITE[1])]
    return rails + straps
