"""What breaks a rule of the technology, as values."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Violation:
    """A place where shapes break a rule.

    Args:
        rule: `short`, `spacing`, `width`, `area`, `cut spacing`, `cut size`, `enclosure` or `grid`.
        layer: name of the layer.
        box_um: left, bottom, right, top of the place.
        nets: names of the nets whose shapes are there; pins without net and obstructions have
            names of their own.
        routed: whether a shape of a routed net is part of it. Others were there before.
    """

    rule: str
    layer: str
    box_um: tuple[float, float, float, float]
    nets: tuple[str, ...]
    routed: bool

    def __str__(self) -> str:
        place = ", ".join(f"{side:g}" for side in self.box_um)
        return f"{self.rule} on {self.layer} at ({place}) um: {', '.join(self.nets)}"


@dataclasses.dataclass(frozen=True)
class Open:
    """A net whose pins are not all joined.

    Args:
        net: its name.
        pieces: for each piece that has pins, their (component, pin) pairs; the largest first.
        boxes_um: left, bottom, right, top of each of these pieces.
        routed: whether the net has any wire or via.
    """

    net: str
    pieces: tuple[tuple[tuple[str, str], ...], ...]
    boxes_um: tuple[tuple[float, float, float, float], ...]
    routed: bool

    def __str__(self) -> str:
        apart = ", ".join("/".join(pin) for piece in self.pieces[1:] for pin in piece)
        kind = "" if self.routed else ", which has no wires"
        return f"open net {self.net}{kind}: {apart} apart from the other pins"
