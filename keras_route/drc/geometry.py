"""Rules of metal and cuts, checked by klayout on flat shapes.

Spacing by parallel length is exact for rectilinear shapes: the parallel length is that of the
longest rectangles within the shapes. It is checked between different nets. The least spacing is
checked between all edges, also within a net.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

from keras_route.drc.flat_layout import NET, FlatLayout
from keras_route.drc.klayout import klayout
from keras_route.drc.lef_rules import LayerRules
from keras_route.drc.violations import Violation


def geometry_violations(
    flat: FlatLayout, rules: Sequence[LayerRules], grid_um: float
) -> Iterator[Violation]:
    """Yield all violations of a layout.

    Args:
        flat: its shapes.
        rules: of each of its layers.
        grid_um: all coordinates must be multiples of it; 0 without such a rule.
    """
    layers = [_Layer(flat, number, rule.name) for number, rule in enumerate(rules)]
    for number, (layer, rule) in enumerate(zip(layers, rules, strict=True)):
        if layer.merged.is_empty():
            continue
        yield from _shorts(layer)
        if rule.cut:
            yield from _cuts(layer, rule, layers[number - 1 : number + 2 : 2])
        else:
            yield from _width_and_area(layer, rule)
        if rule.spacing is not None:
            yield from _places([*_least_spacing(layer, rule), *_wide_spacing(layer, rule)])
        if grid_um:
            step = layer.dbu(grid_um)
            off = layer.merged.grid_check(step, step)
            yield from layer.pairs("grid", off)


class _Layer:
    """The shapes of one layer as regions."""

    def __init__(self, flat, number, name):
        self.flat, self.number, self.name = flat, number, name

    @functools.cached_property
    def merged(self):
        """All shapes as one region."""
        return klayout().Region(self.flat.cell.begin_shapes_rec(self.number)).merged()

    @functools.cached_property
    def by_net(self):
        """The shapes of each net, with its number as property."""
        region = klayout().Region(self.flat.cell.begin_shapes_rec(self.number))
        region.enable_properties()
        return region.merged()

    def dbu(self, um):
        """Return a length in database units."""
        return round(um * self.flat.dbu_per_um)

    def pairs(self, rule, pairs):
        """Yield a violation for each pair of edges."""
        for pair in pairs.each():
            yield self.violation(rule, pair.bbox(), [pair.first.bbox(), pair.second.bbox()])

    def polygons(self, rule, region):
        """Yield a violation for each polygon."""
        for polygon in region.each():
            yield self.violation(rule, polygon.bbox(), [polygon.bbox()])

    def violation(self, rule, box, touched):
        """Return a violation whose nets are those of shapes that touch given boxes."""
        nets, routed = set(), False
        for place in touched:
            for shape in self.flat.cell.shapes(self.number).each_touching(place):
                nets.add(self.flat.net_names[shape.property(NET)])
            routed = routed or any(
                True for _ in self.flat.routed.shapes(self.number).each_touching(place)
            )
        scale = 1 / self.flat.dbu_per_um
        sides = tuple(side * scale for side in (box.left, box.bottom, box.right, box.top))
        return Violation(rule, self.name, sides, tuple(sorted(nets)), routed)


def _shorts(layer):
    """Yield places where shapes of different nets touch or overlap."""
    different = klayout().Region.DifferentPropertiesConstraint
    both = layer.by_net.sized(1).and_(layer.by_net, different)
    both.remove_properties()
    for violation in layer.polygons("short", both.merged()):
        if violation.routed or len(set(violation.nets) - {"obstruction"}) > 1:
            yield violation


def _width_and_area(layer, rule):
    if rule.width_um:
        yield from layer.pairs("width", layer.merged.width_check(layer.dbu(rule.width_um)))
    if rule.area_um2:
        least = round(rule.area_um2 * layer.flat.dbu_per_um**2)
        yield from layer.polygons("area", layer.merged.with_area(None, least, False))


def _least_spacing(layer, rule):
    name = "cut spacing" if rule.cut else "spacing"
    space = layer.dbu(rule.spacing.spaces_um[0][0])
    yield from layer.pairs(name, layer.merged.space_check(space))


def _wide_spacing(layer, rule):
    """Yield what lies too near to wide shapes, for each row and column of the table."""
    table = rule.spacing
    least = table.spaces_um[0][0]
    for width, spaces in zip(table.widths_um[1:], table.spaces_um[1:], strict=True):
        half = (layer.dbu(width) - 1) // 2
        wide = layer.by_net.sized(-half).sized(half)
        reach = layer.dbu(max(spaces))
        if wide.is_empty() or max(spaces) <= least:
            continue
        near = layer.by_net.interacting(wide.sized(reach))
        slabs = [_slabs(layer, wide), _slabs(layer, near)]
        for length, space in zip(table.lengths_um, spaces, strict=True):
            if space > least:
                for one, other in zip(*slabs, strict=True):
                    pairs = _separation(one, other, layer.dbu(space), layer.dbu(length))
                    yield from layer.pairs("spacing", pairs)


def _places(violations):
    """Return violations, with one where several rows of a table find the same place."""
    kept = {}
    for one in violations:
        same = kept.setdefault(one.nets, [])
        near = [other for other in same if _overlap(one.box_um, other.box_um)]
        kept[one.nets] = [other for other in same if other not in near]
        kept[one.nets].append(_union([one, *near]))
    return [violation for same in kept.values() for violation in same]


def _overlap(one, other):
    return all(one[i] <= other[i + 2] and other[i] <= one[i + 2] for i in (0, 1))


def _union(violations):
    left, bottom, right, top = zip(*(one.box_um for one in violations), strict=True)
    return dataclasses.replace(
        violations[0],
        box_um=(min(left), min(bottom), max(right), max(top)),
        routed=any(one.routed for one in violations),
    )


def _slabs(layer, region):
    """Return a region cut into horizontal slabs, and one into vertical slabs, with the nets."""
    kdb = klayout()
    found = []
    for mode in (kdb.Polygon.TD_htrapezoids, kdb.Polygon.TD_vtrapezoids):
        shapes = kdb.Region()
        shapes.merged_semantics = False
        for polygon in region.each():
            for part in polygon.decompose_trapezoids(mode):
                shapes.insert(kdb.PolygonWithProperties(part, polygon.properties()))
        found.append(shapes)
    return found


def _separation(one, other, space, length):
    """Return edges too near; a length of 0 holds for corners that lie diagonally, too."""
    kdb = klayout()
    return one.separation_check(
        other,
        space,
        metrics=kdb.Metrics.Projection if length else kdb.Metrics.Euclidian,
        min_projection=length + 1 if length else None,
        shielded=False,
        property_constraint=kdb.Region.DifferentPropertiesConstraint,
    )


def _cuts(layer, rule, metals):
    """Yield cuts that are not square cuts of their width, or lack metal below or above."""
    kdb = klayout()
    if rule.width_um:
        side = layer.dbu(rule.width_um)
        wrong = kdb.Region()
        for polygon in layer.merged.each():
            box = polygon.bbox()
            if not polygon.is_box() or (box.width(), box.height()) != (side, side):
                wrong.insert(polygon)
        yield from layer.polygons("cut size", wrong)
    for metal in metals:
        yield from layer.polygons("enclosure", layer.merged.not_inside(metal.merged))
