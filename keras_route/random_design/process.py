"""The technology of random designs: the usual numbers of a generic 45 nm process."""

from keras_route.technology.technology import (
    CutLayer,
    RoutingLayer,
    SpacingTable,
    Technology,
    ViaShape,
)

SITE_UM = 0.19  # width of a site, and pitch of metal2
ROW_UM = 1.4
DBU_PER_UM = 2000
NARROW = ((0.07, 0.09, 0.27, 0.5, 0.9, 1.5), (0.0, 0.3, 0.9, 1.8, 2.7, 4.0))
MIDDLE = ((0.14, 0.27, 0.5, 0.9, 1.5), (0.0, 0.9, 1.8, 2.7, 4.0))
WIDE = ((0.4, 0.5, 0.9, 1.5), (0.0, 1.8, 2.7, 4.0))


def _table(spaces, lengths):
    """Return the table in which a shape as wide as a space keeps that space along its length."""
    rows = (
        tuple(spaces[min(row, column)] for column in range(len(lengths)))
        for row in range(len(spaces))
    )
    return SpacingTable((0.0, *spaces[1:]), lengths, tuple(rows))


def _metal(number, pitch, width, spacing, ohm_per_square):
    horizontal = number % 2 == 1
    return RoutingLayer(f"metal{number}", horizontal, pitch, width, spacing, ohm_per_square / width)


def _via(name, below, cut_um, above, kind=""):
    """Return a via from the sides (x, y) of the metal below and above; `cut_um` is square."""
    boxes = {
        f"metal{name}": (_square(*below),),
        f"via{name}": (_square(cut_um, cut_um),),
        f"metal{name + 1}": (_square(*above),),
    }
    return ViaShape(f"via{name}{kind}", boxes)


def _square(x_um, y_um):
    return (-x_um / 2, -y_um / 2, x_um / 2, y_um / 2)


ALONG_X, ALONG_Y = (0.14, 0.07), (0.07, 0.14)

GENERIC_45 = Technology(
    metals=(
        _metal(1, 0.14, 0.07, SpacingTable.uniform(0.065), 0.38),
        _metal(2, 0.19, 0.07, _table(*NARROW), 0.25),
        _metal(3, 0.14, 0.07, _table(*NARROW), 0.25),
        _metal(4, 0.28, 0.14, _table(*MIDDLE), 0.21),
        _metal(5, 0.28, 0.14, _table(*MIDDLE), 0.21),
        _metal(6, 0.28, 0.14, _table(*MIDDLE), 0.21),
        _metal(7, 0.8, 0.4, _table(*WIDE), 0.075),
        _metal(8, 0.8, 0.4, _table(*WIDE), 0.075),
    ),
    cuts=(
        CutLayer("via1", 0.08, 0.07, 5.0),
        CutLayer("via2", 0.09, 0.07, 5.0),
        CutLayer("via3", 0.09, 0.07, 5.0),
        CutLayer("via4", 0.16, 0.14, 3.0),
        CutLayer("via5", 0.16, 0.14, 3.0),
        CutLayer("via6", 0.16, 0.14, 3.0),
        CutLayer("via7", 0.44, 0.4, 1.0),
    ),
    vias=(
        _via(1, ALONG_X, 0.07, ALONG_Y, "_xy"),
        _via(1, ALONG_Y, 0.07, ALONG_Y, "_yy"),
        _via(2, ALONG_Y, 0.07, ALONG_X, "_yx"),
        _via(2, ALONG_Y, 0.07, ALONG_Y, "_yy"),
        _via(2, ALONG_X, 0.07, ALONG_X, "_xx"),
        _via(3, ALONG_X, 0.07, (0.14, 0.14)),
        _via(4, (0.14, 0.14), 0.14, (0.14, 0.14)),
        _via(5, (0.14, 0.14), 0.14, (0.14, 0.14)),
        _via(6, (0.14, 0.14), 0.14, (0.4, 0.4)),
        _via(7, (0.4, 0.4), 0.4, (0.4, 0.4)),
    ),
)
