"""The rules that a routed net must obey."""

import dataclasses
import itertools

import numpy as np

from keras_route.layout.blocked import blocked_metal, footprint
from keras_route.layout.net import Net
from keras_route.technology.layers import METALS, VIAS


@dataclasses.dataclass(frozen=True)
class Violation:
    """A place where a net breaks a rule; `str` gives a sentence about it.

    Args:
        rule: "outside", "pin", "via", "missing via", "direction", "dangling", "open" or "blocked".
        text: what is wrong, and where.
    """

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


def check(net: Net, blocked: np.ndarray | None = None) -> list[Violation]:
    """Return the violations of a net; a legal net has none.

    The rules:

    - Everything lies in the window. A net with a part outside is checked no further.
    - Metal covers every pin. A net whose pins lie in one place needs none.
    - A via has both of its metals, and two neighbouring metals of a pixel have a via.
    - A wire runs in the direction of its layer.
    - Each end of a wire has a via, or a pin that lands on the wire.
    - The net is one piece.
    - Nothing lies where it is blocked.

    Args:
        net: any `Net`.
        blocked: bool array (height, width, 4), True where the net must have no m3, m4, m5, m6; or
            (height, width), True where it must have none of them. Wires count, and the stacks of
            vias below the pins. By default, nothing is blocked.

    Raises:
        TypeError: `net` is not a `Net`.
        ValueError: `blocked` does not have the shape of the window.
    """
    if not isinstance(net, Net):
        raise TypeError(
            "`net` must be a `Net`; `Net.from_labels` makes one of a label image. "
            f"Received: net={net!r}"
        )
    taboo = blocked_metal(blocked, net.height, net.width)
    outside = [
        Violation("outside", f"{part} is not within {net.width} columns and {net.height} rows")
        for part in net.outside()
    ]
    if outside:
        return outside
    labels = net.to_labels()
    merged = Net.from_labels(labels, net.pins)
    return [
        *_pins(merged),
        *_vias(labels),
        *_direction(net),
        *_dangling(merged),
        *_open(merged),
        *_blocked(footprint(labels, net.pin_array) & taboo),
    ]


def _pins(net):
    if len(set(net.pins)) == 1 and not (net.wires or net.vias):
        return
    for x, y in net.pins:
        if net.landing(x, y) is None:
            yield Violation("pin", f"no metal covers the pin at ({x}, {y})")


def _vias(labels):
    for via in VIAS.values():
        below, above = (labels[..., METALS[name].channel] for name in (via.below, via.above))
        cut, both = (
            labels[..., via.channel] > below * above,
            below * above > labels[..., via.channel],
        )
        for x, y in _places(cut):
            lacking = [m for m, on in ((via.below, below), (via.above, above)) if not on[y, x]]
            yield Violation("via", f"{via.name} at ({x}, {y}) has no {' and no '.join(lacking)}")
        for x, y in _places(both):
            yield Violation(
                "missing via", f"{via.below} and {via.above} cross at ({x}, {y}) without {via.name}"
            )


def _direction(net):
    for wire in net.wires:
        horizontal = METALS[wire.layer].horizontal
        if (wire.y0 != wire.y1) if horizontal else (wire.x0 != wire.x1):
            axis = "rows" if horizontal else "columns"
            yield Violation("direction", f"{wire} lies in several {axis}")


def _dangling(net):
    held = {(x, y, net.landing(x, y)) for x, y in net.pins}
    held |= {(via.x, via.y, metal) for via in net.vias for metal in _metals(via)}
    for wire in net.wires:
        for x, y in sorted({(wire.x0, wire.y0), (wire.x1, wire.y1)}):
            if (x, y, wire.layer) not in held:
                yield Violation(
                    "dangling", f"the end of {wire} at ({x}, {y}) has neither a via nor a pin"
                )


def _open(net):
    pieces = _pieces(net)
    if len(pieces) > 1:
        pins = [sorted((x, y) for layer, x, y in piece if layer == "m2") for piece in pieces]
        groups = sorted(group for group in pins if group)
        yield Violation(
            "open",
            f"the net is in {len(pieces)} pieces, {pins.count([])} of them without a pin; "
            f"joined are {groups}",
        )


def _pieces(net):
    """Return the connected pieces of a net, as sets of nodes; pins are nodes on "m2"."""
    runs = [[(wire.layer, x, y) for x, y in wire.pixels()] for wire in net.wires]
    metal = set(itertools.chain(*runs))
    pins = [[("m2", x, y), (net.landing(x, y), x, y)] for x, y in net.pins]
    vias = [
        [(via.layer, via.x, via.y), *(metal & {(m, via.x, via.y) for m in _metals(via)})]
        for via in net.vias
    ]
    pieces: list[set] = []
    for join in (*runs, *pins, *vias):
        touched = [piece for piece in pieces if not piece.isdisjoint(join)]
        pieces = [piece for piece in pieces if piece.isdisjoint(join)]
        pieces.append(set(join).union(*touched))
    return pieces


def _metals(via):
    return VIAS[via.layer].below, VIAS[via.layer].above


def _blocked(taken):
    for i, metal in enumerate(METALS):
        for x, y in _places(taken[..., i]):
            yield Violation("blocked", f"{metal} at ({x}, {y}) is blocked")


def _places(mask):
    rows, columns = np.nonzero(mask)
    return zip(columns.tolist(), rows.tolist(), strict=True)
