import pathlib
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keras_route.data.random_nets import NetFamily, draw_net
from keras_route.pins import PinSets
from keras_route.technology.layers import LAYERS

pytestmark = pytest.mark.check

GOLDEN = pathlib.Path(__file__).parent / "golden"

PUBLISHED = [  # the six published pictures
    (
        "(26,3)(5,12)(31,25)",
        "m6 y=13 x=5..31; m5 x=5 y=12..13, x=26 y=3..13, x=31 y=13..25; via5 (5,13)(26,13)(31,13)",
        59,
    ),
    (
        "(31,9)(23,24)",
        "m3 x=27 y=9..24; m4 y=9 x=27..31, y=24 x=23..27; via3 (27,9)(27,24)",
        30,
    ),
    (
        "(0,23)(6,29)(19,28)",
        "m4 y=26 x=0..19; m3 x=0 y=23..26, x=6 y=26..29, x=19 y=26..28; via3 (0,26)(6,26)(19,26)",
        37,
    ),
    (
        "(7,8)(0,14)(15,21)(8,29)",
        "m5 x=7 y=8..29; m4 y=8 x=7..7, y=14 x=0..7, y=21 x=7..15, y=29 x=7..8; "
        "via4 (7,8)(7,14)(7,21)(7,29)",
        50,
    ),
    (
        "(16,6)(5,11)(24,15)(5,18)(5,24)",
        "m4 y=14 x=5..24; m3 x=5 y=11..24, x=16 y=6..14, x=24 y=14..15; via3 (5,14)(16,14)(24,14)",
        53,
    ),
    (
        "(19,0)(24,7)(3,24)",
        "m5 x=15 y=0..24; m6 y=0 x=15..19, y=7 x=15..24, y=24 x=3..15; via5 (15,0)(15,7)(15,24)",
        59,
    ),
]
ALIGNED = [
    ("(2,5)(9,5)", "m4 y=5 x=2..9", 10),
    ("(2,5)(21,5)", "m4 y=5 x=2..21", 22),
    ("(2,5)(22,5)", "m6 y=5 x=2..22", 23),
    ("(7,1)(7,21)", "m3 x=7 y=1..21", 23),
    ("(7,1)(7,22)", "m5 x=7 y=1..22", 24),
    ("(1,3)(5,3)(9,3)", "m4 y=3 x=1..9", 12),
    ("(3,3)(4,3)", "m4 y=3 x=3..4", 4),
]
CORNERS = [
    (  # a tie is vertical
        "(0,0)(10,10)",
        "m3 x=5 y=0..10; m4 y=0 x=0..5, y=10 x=5..10; via3 (5,0)(5,10)",
        27,
    ),
    (
        "(0,0)(31,31)",
        "m5 x=15 y=0..31; m6 y=0 x=0..15, y=31 x=15..31; via5 (15,0)(15,31)",
        69,
    ),
    (  # a pin on the trunk has a leg and a via
        "(0,4)(5,5)(12,6)",
        "m4 y=5 x=0..12; m3 x=0 y=4..5, x=5 y=5..5, x=12 y=5..6; via3 (0,5)(5,5)(12,5)",
        24,
    ),
    (  # the mean is rounded down
        "(0,1)(10,2)(20,2)",
        "m6 y=1 x=0..20; m5 x=0 y=1..1, x=10 y=1..2, x=20 y=1..2; via5 (0,1)(10,1)(20,1)",
        32,
    ),
    (
        "(3,3)(4,4)",
        "m3 x=3 y=3..4; m4 y=3 x=3..3, y=4 x=3..4; via3 (3,3)(3,4)",
        9,
    ),
    (  # legs on neighbouring tracks
        "(4,0)(5,0)(20,10)",
        "m4 y=3 x=4..20; m3 x=4 y=0..3, x=5 y=0..3, x=20 y=3..10; via3 (4,3)(5,3)(20,3)",
        39,
    ),
    (
        "(0,0)(31,0)(0,31)(31,31)",
        "m5 x=15 y=0..31; m6 y=0 x=0..31, y=31 x=0..31; via5 (15,0)(15,31)",
        102,
    ),
]


def points(text):
    return [(int(x), int(y)) for x, y in re.findall(r"\((\d+),(\d+)\)", text)]


def picture(pins, text):
    """Return the label image that a text describes."""
    image = np.zeros((32, 32, 8), np.uint8)
    for x, y in points(pins):
        image[y, x, 0] = 1
    for part in text.split("; "):
        layer, places = part.split(" ", 1)
        channel = LAYERS.index(layer)
        for x, y in points(places):
            image[y, x, channel] = 1
        for x, top, bottom in re.findall(r"x=(\d+) y=(\d+)\.\.(\d+)", places):
            image[int(top) : int(bottom) + 1, int(x), channel] = 1
        for y, left, right in re.findall(r"y=(\d+) x=(\d+)\.\.(\d+)", places):
            image[int(y), int(left) : int(right) + 1, channel] = 1
    return image


@pytest.mark.parametrize(("pins", "text", "lit"), PUBLISHED + ALIGNED + CORNERS)
def test_a_net_is_drawn_as_published(pins, text, lit):
    image = draw_net(points(pins))

    np.testing.assert_array_equal(image, picture(pins, text))
    assert image.sum() == lit


@pytest.mark.parametrize(
    ("pins", "layers", "lit"),
    [
        ("(0,0)(20,20)", "m3 via3 m4", 47),
        ("(0,0)(21,21)", "m5 via5 m6", 49),
        ("(0,0)(20,19)", "m5 via5 m6", 46),
        ("(0,0)(19,18)", "m3 via3 m4", 44),
        ("(0,0)(19,21)", "m4 via4 m5", 47),
        ("(0,0)(20,21)", "m5 via5 m6", 48),
    ],
)
def test_layers_follow_the_extents(pins, layers, lit):
    image = draw_net(points(pins))

    assert " ".join(np.array(LAYERS)[1:][image.any((0, 1))[1:]]) == layers
    assert image.sum() == lit


def test_repeated_pins_count_in_the_mean_unless_they_are_left_out():
    once, twice = [(0, 0), (12, 9)], [(0, 0), (0, 0), (12, 9)]
    trunk = LAYERS.index("m4")
    assert draw_net(once)[4, :, trunk].sum() == draw_net(twice)[3, :, trunk].sum() == 13
    np.testing.assert_array_equal(draw_net(twice, deduplicate=True), draw_net(once))


@pytest.mark.parametrize("name", ["route_32x32", "route_64x48"])
@pytest.mark.parametrize("axis", [1, 3], ids=["channels_first", "channels_last"])
def test_labels_are_those_of_the_published_generator(name, axis):
    golden = np.load(GOLDEN / f"{name}.npz")
    height, width = int(golden["height"]), int(golden["width"])
    expected = np.unpackbits(golden["labels"], axis=-1)[..., :width]
    x, y = golden["pins"].astype(int).T
    pins = PinSets(x, y, golden["counts"].astype(int))

    labels = np.moveaxis(np.zeros_like(expected), 1, axis)
    labels = np.ascontiguousarray(labels)
    images = np.zeros((len(pins), height, width, 1), np.uint8)
    NetFamily(height, width).draw(pins, images, np.moveaxis(labels, axis, -1))

    np.testing.assert_array_equal(np.moveaxis(labels, axis, 1), expected)
    np.testing.assert_array_equal(images[..., 0], expected[:, 0])


def plain_rule(pins, height, width, window_um):
    """Draw one net pixel by pixel, as the published text says."""
    image = np.zeros((height, width, 8), np.uint8)
    xs, ys = zip(*pins, strict=True)
    x_um, y_um = (max(xs) - min(xs)) * window_um / width, (max(ys) - min(ys)) * window_um / height
    m3, m4 = 30.555 * y_um + 80, 24.077 * x_um + 140
    m5, m6 = 18.368 * y_um + 164, 16.950 * x_um + 188
    lying = x_um > y_um
    if lying:
        horizontal, vertical = (7, 5) if m4 > m6 else (3, 5 if m3 > m5 else 1)
    else:
        horizontal, vertical = (3, 1) if m5 > m3 else (7 if m4 > m6 else 3, 5)
    column, row = sum(xs) // len(xs), sum(ys) // len(ys)
    for x, y in pins:
        image[y, x, 0] = 1
        if y_um and lying:
            image[min(y, row) : max(y, row) + 1, x, vertical] = 1
        if x_um and not lying:
            image[y, min(x, column) : max(x, column) + 1, horizontal] = 1
    if lying:
        image[row, min(xs) : max(xs) + 1, horizontal] = 1
    else:
        image[min(ys) : max(ys) + 1, column, vertical] = 1
    for via in (2, 4, 6):
        image[..., via] = image[..., via - 1] & image[..., via + 1]
    return image


@st.composite
def windows_with_pins(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(2, 40))
    pin = st.tuples(st.integers(0, width - 1), st.integers(0, height - 1))
    pins = draw(st.lists(pin, min_size=2, max_size=9).filter(lambda p: len(set(p)) > 1))
    return pins, height, width, draw(st.sampled_from([3.0, 11.0, 25.0]))


@given(windows_with_pins())
@example(([(0, 0), (30, 5)], 6, 36, 11.0))  # extents of 55 / 6 um both
def test_the_batch_rule_is_the_plain_rule(case):
    pins, height, width, window_um = case
    labels = draw_net(pins, height, width, window_um)
    np.testing.assert_array_equal(labels, plain_rule(pins, height, width, window_um))


@given(windows_with_pins(), st.integers(0, 5), st.integers(0, 5))
def test_a_shifted_net_has_the_shifted_label(case, right, down):
    pins, _, _, window_um = case
    shifted = [(x + right, y + down) for x, y in pins]
    label = draw_net(pins, 45, 45, window_um)
    moved = draw_net(shifted, 45, 45, window_um)
    np.testing.assert_array_equal(moved, np.roll(label, (down, right), (0, 1)))
