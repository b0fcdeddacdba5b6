"""The technology of the published generator of nets, as a value like that of a LEF file."""

from keras_route.technology.technology import (
    CutLayer,
    RoutingLayer,
    SpacingTable,
    Technology,
    ViaShape,
)

WIRE_UM = 0.040  # of every wire, and of the metal around a via
CUT_UM = 0.030  # enclosed by 5 nm of both metals
PITCH_UM = 11.0 / 32  # a pixel of the published window

# Resistances are those of "7FF wire performance" in the published generator, in ohm per micrometre
# and ohm. Pins lie on m2. Widths are ours; wires keep their own width as space.
_OHM_PER_UM = {"m2": 106.45, "m3": 30.555, "m4": 24.077, "m5": 18.368, "m6": 16.950}
_OHM = {"via2": 40.0, "via3": 30.0, "via4": 12.0, "via5": 12.0}


def _square(side_um):
    half = side_um / 2
    return ((-half, -half, half, half),)


_METALS = tuple(
    RoutingLayer(
        name,
        horizontal=int(name[1:]) % 2 == 0,
        pitch_um=PITCH_UM,
        width_um=WIRE_UM,
        spacing=SpacingTable.uniform(WIRE_UM),
        ohm_per_um=ohm,
    )
    for name, ohm in _OHM_PER_UM.items()
)

PUBLISHED = Technology(
    metals=_METALS,
    cuts=tuple(CutLayer(name, WIRE_UM, CUT_UM, ohm) for name, ohm in _OHM.items()),
    vias=tuple(
        ViaShape(
            f"{below.name}_{above.name}",
            {
                below.name: _square(WIRE_UM),
                cut: _square(CUT_UM),
                above.name: _square(WIRE_UM),
            },
        )
        for below, cut, above in zip(_METALS, _OHM, _METALS[1:], strict=False)
    ),
    grid_um=0.001,
)
