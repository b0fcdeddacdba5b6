"""The layers of a routed net: their names, directions, resistances and colours."""

import dataclasses

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

METALS = {
    metal.name: metal
    for metal in (
        Metal("m3", False, 30.555, (50, 205, 50)),
        Metal("m4", True, 24.077, (255, 99, 71)),
        Metal("m5", False, 18.368, (169, 169, 169)),
        Metal("m6", True, 16.950, (0, 191, 255)),
    )
}

VIAS = {
    via.name: via
    for via in (
        ViaLayer("via3", "m3", "m4", 30.0, (0, 0, 255)),
        ViaLayer("via4", "m4", "m5", 12.0, (0, 255, 0)),
        ViaLayer("via5", "m5", "m6", 12.0, (255, 0, 0)),
    )
}

# Between the pins on m2 and the lowest routing metal; no label shows it.
PIN_VIA = ViaLayer("via2", "m2", "m3", 40.0, PIN_COLOUR)
