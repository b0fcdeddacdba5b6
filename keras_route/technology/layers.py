"""The layers of a routed net: their names, directions, resistances and colours."""

import dataclasses

from keras_route.technology.published import PUBLISHED

LAYERS = ("pin", "m3", "via3", "m4", "via4", "m5", "via5", "m6")


@dataclasses.dataclass(frozen=True)
class Metal:
    """A metal layer.

    Args:
        name: as in `LAYERS`.
        horizontal: whether its wires run along x.
        ohm_per_um: resistance of a wire of minimum width, from "7FF wire performance" in the
            published generator.
        colour: RGB, as in the published pictures.
    """

    name: str
    horizontal: bool
    ohm_per_um: float
    colour: tuple[int, int, int]

    @property
    def channel(self) -> int:
        """Index of the layer in the last axis of a label image."""
        return LAYERS.index(self.name)


@dataclasses.dataclass(frozen=True)
class ViaLayer:
    """A layer of vias between two metals.

    Args:
        name: as in `LAYERS`, or `via2`, which lies between the pins and m3.
        below: name of the metal below.
        above: name of the metal above.
        ohm: resistance of one via.
        colour: RGB, as in the published pictures.
    """

    name: str
    below: str
    above: str
    ohm: float
    colour: tuple[int, int, int]

    @property
    def channel(self) -> int:
        """Index of the layer in the last axis of a label image."""
        return LAYERS.index(self.name)


PIN_COLOUR = (0, 0, 0)
COLOURS = {  # of the published pictures
    "m3": (50, 205, 50),
    "m4": (255, 99, 71),
    "m5": (169, 169, 169),
    "m6": (0, 191, 255),
    "via2": PIN_COLOUR,
    "via3": (0, 0, 255),
    "via4": (0, 255, 0),
    "via5": (255, 0, 0),
}

METALS = {
    metal.name: Metal(metal.name, metal.horizontal, metal.ohm_per_um, COLOURS[metal.name])
    for metal in PUBLISHED.metals
    if metal.name in COLOURS
}

_ALL_VIAS = [
    ViaLayer(cut.name, below.name, above.name, cut.ohm, COLOURS[cut.name])
    for below, cut, above in zip(
        PUBLISHED.metals, PUBLISHED.cuts, PUBLISHED.metals[1:], strict=False
    )
]

# Between the pins on m2 and the lowest routing metal; no label shows it.
PIN_VIA = _ALL_VIAS[0]

VIAS = {via.name: via for via in _ALL_VIAS[1:]}
