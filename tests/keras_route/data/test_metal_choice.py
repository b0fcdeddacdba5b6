import numpy as np
import pytest

from keras_route.data.metal_choice import NO_WIRE, wire_class
from keras_route.technology.layers import LAYERS
from keras_route.technology.wire_resistance import wire_resistance

pytestmark = pytest.mark.check

PIXEL = 11 / 32


def names(x_um, y_um):
    """Return the horizontal and the vertical metal by name, None where there is no wire."""
    return tuple(None if c == NO_WIRE else LAYERS[c] for c in wire_class(x_um, y_um))


@pytest.mark.parametrize(
    ("lower", "upper", "break_even"),
    [("m4", "m6", 6.734951592535427), ("m3", "m5", 6.892590465249856)],
)
def test_two_metals_break_even_at_the_published_length(lower, upper, break_even):
    ohm = wire_resistance(upper, break_even)
    assert wire_resistance(lower, break_even) == pytest.approx(ohm, rel=1e-15)
    for length, better in ((break_even * (1 - 1e-12), lower), (break_even * (1 + 1e-12), upper)):
        extents = (length, 0) if lower == "m4" else (0, length)
        assert better in names(*extents)


def test_a_horizontal_trunk_alone_chooses_both_metals():
    for rows in range(1, 19):
        assert names(19 * PIXEL, rows * PIXEL) == ("m4", "m3")
        assert names(20 * PIXEL, rows * PIXEL) == ("m6", "m5")


def test_a_vertical_trunk_chooses_m5_and_the_legs_m6():
    for columns in range(1, 21):
        assert names(columns * PIXEL, 20 * PIXEL) == ("m4", "m3")
    for columns in range(1, 22):
        legs = "m4" if columns <= 19 else "m6"
        assert names(columns * PIXEL, 21 * PIXEL) == (legs, "m5")


def test_only_neighbouring_metals_occur():
    um = np.arange(0, 40, 0.025)
    x_um, y_um = np.meshgrid(um, um)
    horizontal, vertical = wire_class(x_um, y_um)

    codes = np.unique(horizontal * 100 + vertical + 50)
    classes = {(int(code) // 100, int(code) % 100 - 50) for code in codes}
    m3, m4, m5, m6 = (LAYERS.index(name) for name in ("m3", "m4", "m5", "m6"))
    none = NO_WIRE
    with_both = {(m4, m3), (m4, m5), (m6, m5)}
    assert classes == with_both | {(m4, none), (m6, none), (none, m3), (none, m5), (none, none)}
    assert (x_um <= y_um)[(horizontal == m4) & (vertical == m5)].all()


@pytest.mark.parametrize(
    ("pixels", "columns", "rows"),
    [(16, 10, 11), (32, 20, 21), (64, 40, 41), (128, 79, 81), (256, 157, 161)],
)
def test_upper_metals_start_at_the_same_length_at_every_resolution(pixels, columns, rows):
    um = np.arange(1, pixels) * (11 / pixels)
    horizontal, _ = wire_class(um, np.zeros_like(um))
    _, vertical = wire_class(np.zeros_like(um), um)
    assert 1 + np.argmax(horizontal == LAYERS.index("m6")) == columns
    assert 1 + np.argmax(vertical == LAYERS.index("m5")) == rows
