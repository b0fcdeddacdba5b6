import numpy as np
import pytest

from keras_route.data.random_nets import BLOCK, NetFamily, draw_net, generate, random_stream
from keras_route.layout.steiner import steiner_length
from keras_route.pins import PinSets
from keras_route.technology.layers import LAYERS, METALS

pytestmark = pytest.mark.check

COUNT = 50_000
SIGMAS = 4


@pytest.fixture(scope="module")
def population():
    """Return the pins of random nets and how many pixels each has in each layer."""
    family = NetFamily()
    pins = family.random_pins(COUNT, random_stream(0))
    nets = [pins.select(np.arange(COUNT) // 2000 == i) for i in range(COUNT // 2000)]
    lit = [family.images(part)[1].sum((1, 2), dtype=int) for part in nets]
    return pins, np.concatenate(lit)


def classes(lit):
    """Return the metals of each net, `"m4+m3"`, the horizontal one first."""
    used = {name: lit[:, metal.channel] > 0 for name, metal in METALS.items()}
    horizontal = np.select([used["m4"], used["m6"]], ["m4", "m6"], "-")
    vertical = np.select([used["m3"], used["m5"]], ["m3", "m5"], "-")
    return np.array([f"{h}+{v}" for h, v in zip(horizontal, vertical, strict=True)])


def assert_share(observed, expected, digits):
    """Compare the mean of booleans with a probability that is known to so many digits."""
    error = np.sqrt(expected * (1 - expected) / len(observed))
    assert abs(observed.mean() - expected) < SIGMAS * error + 0.5 * 10**-digits


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("m6+m5", 0.407593),
        ("m4+m3", 0.393978),
        ("m4+m5", 0.182784),
        ("-+m3", 0.006739),
        ("m4+-", 0.006545),
        ("m6+-", 0.001277),
        ("-+m5", 0.001083),
    ],
)
def test_classes_occur_as_often_as_counted(population, name, share):
    assert_share(classes(population[1]) == name, share, 6)


@pytest.mark.parametrize(
    ("pins", "shares"),
    [
        (2, (0.686874, 0.105343, 0.147177)),
        (3, (0.467915, 0.194382, 0.335752)),
        (4, (0.272336, 0.222875, 0.504727)),
        (5, (0.149074, 0.208462, 0.642462)),
    ],
)
def test_larger_nets_use_higher_metals(population, pins, shares):
    found = classes(population[1])[population[0].counts == pins]
    assert_share(population[0].counts == pins, 0.25, 3)
    for name, share in zip(("m4+m3", "m4+m5", "m6+m5"), shares, strict=True):
        assert_share(found == name, share, 6)


def test_trunks_ties_and_repeated_pins_occur_as_often_as_counted(population):
    pins, _ = population
    (left, right), (top, bottom) = pins.extent(pins.x), pins.extent(pins.y)
    assert_share(right - left > bottom - top, 0.47876, 5)
    assert_share(right - left == bottom - top, 0.04248, 5)
    assert_share(pins.distinct().counts < pins.counts, 0.004627, 6)
    assert (pins.distinct().counts >= 2).all()


@pytest.mark.parametrize(
    ("layer", "mean", "three_sigma", "occurs"),
    [
        ("pin", 3.494, 0.015, None),
        ("m3", 5.64, 0.11, 0.401),
        ("via3", 1.118, 0.020, 0.394),
        ("m4", 9.63, 0.14, 0.584),
        ("via4", 0.661, 0.020, 0.183),
        ("m5", 15.48, 0.19, 0.591),
        ("via5", 1.577, 0.027, 0.408),
        ("m6", 11.88, 0.20, 0.409),
    ],
)
def test_layers_hold_as_many_pixels_as_published(population, layer, mean, three_sigma, occurs):
    lit = population[1][:, LAYERS.index(layer)]
    assert abs(lit.mean() - mean) < three_sigma
    if occurs is not None:
        assert_share(lit > 0, occurs, 3)


def test_nets_hold_as_many_pixels_as_published(population):
    total = population[1].sum(1)
    assert total.mean() == pytest.approx(49.49, abs=3 * 19.1 / np.sqrt(COUNT) + 0.005)
    assert total.std() == pytest.approx(19.1, abs=0.2)
    assert total.min() == 4


@pytest.mark.parametrize("options", [{}, {"height": 64, "width": 48, "max_pins": 9}])
def test_labels_obey_the_rules_of_a_layout(options):
    x, y = generate(3000, **options)
    metals = y[..., 1::2].any((1, 2))

    assert x.dtype == y.dtype == np.uint8
    assert y.max() == 1
    np.testing.assert_array_equal(x[..., 0], y[..., 0])
    for via in (2, 4, 6):
        np.testing.assert_array_equal(y[..., via], y[..., via - 1] & y[..., via + 1])
    assert not (metals[:, 0] & metals[:, 2]).any()
    assert not (metals[:, 1] & metals[:, 3]).any()


def flooded(labels):
    """Return the metal that is joined to the first pin, (4, N, H, W)."""
    layers = np.moveaxis(labels, -1, 0) > 0
    metals, vias = layers[1::2].copy(), layers[2::2].copy()
    first = layers[0].reshape(len(labels), -1).argmax(1)
    reached = np.zeros_like(metals)
    reached[:, np.arange(len(labels)), *np.divmod(first, labels.shape[2])] = True
    reached &= metals
    while True:
        grown = reached.copy()
        grown[0::2, :, 1:] |= reached[0::2, :, :-1]
        grown[0::2, :, :-1] |= reached[0::2, :, 1:]
        grown[1::2, :, :, 1:] |= reached[1::2, :, :, :-1]
        grown[1::2, :, :, :-1] |= reached[1::2, :, :, 1:]
        grown[1:] |= reached[:-1] & vias
        grown[:-1] |= reached[1:] & vias
        grown &= metals
        if (grown == reached).all():
            return reached
        reached = grown


def test_every_net_is_one_piece_with_all_its_pins():
    _, labels = generate(1000, seed=1)
    reached = flooded(labels)
    np.testing.assert_array_equal(reached, np.moveaxis(labels[..., 1::2], -1, 0) > 0)
    assert (reached.any(0) >= labels[..., 0]).all()


def test_wires_are_as_much_longer_than_the_shortest_tree_as_published():
    count = 3000
    x, y = generate(count, seed=3)
    shortest = np.array([steiner_length(np.argwhere(image[..., 0]).tolist()) for image in x])
    metal = y[..., 1::2].astype(bool)
    along_y = (metal[:, 1:, :, 0::2] & metal[:, :-1, :, 0::2]).sum((1, 2, 3))
    along_x = (metal[:, :, 1:, 1::2] & metal[:, :, :-1, 1::2]).sum((1, 2, 3))
    ratio = (along_x + along_y) / shortest

    assert ratio.min() == 1
    assert (along_x + along_y).sum() / shortest.sum() == pytest.approx(1.079, abs=0.005)
    assert ratio.mean() == pytest.approx(1.067, abs=0.007)
    assert (ratio == 1).mean() == pytest.approx(0.399, abs=0.036)
    assert np.quantile(ratio, 0.95) == pytest.approx(1.246, abs=0.02)
    pins = x.sum((1, 2, 3), dtype=int)
    assert (ratio[pins == 2] == 1).all()
    for count, mean in ((3, 1.061), (4, 1.088), (5, 1.122)):
        assert ratio[pins == count].mean() == pytest.approx(mean, abs=0.015)


def test_mirrored_nets_need_a_label_of_their_own():
    pins = NetFamily().random_pins(4000, random_stream(4))
    _, y = NetFamily().images(pins)
    in_x = NetFamily().images(PinSets(31 - pins.x, pins.y, pins.counts))[1]
    in_y = NetFamily().images(PinSets(pins.x, 31 - pins.y, pins.counts))[1]

    def same(mirrored, labels):
        return (mirrored == labels).all((1, 2, 3))

    assert_share(same(in_x[:, :, ::-1], y), 0.64, 1.5)
    assert_share(same(in_y[:, ::-1], y), 0.68, 1.5)


def test_the_first_nets_of_a_seed_do_not_depend_on_the_count():
    few, many = generate(BLOCK + 10, seed=5), generate(2 * BLOCK + 7, seed=5)
    for a, b in zip(few, many, strict=True):
        np.testing.assert_array_equal(a, b[: len(a)])


def test_seeds_and_blocks_have_nets_of_their_own():
    x, _ = generate(2 * BLOCK, seed=5)
    other, _ = generate(BLOCK, seed=6)
    for images in (x[BLOCK:], other):
        assert (images != x[:BLOCK]).any((1, 2, 3)).mean() > 0.99


def test_a_split_has_no_image_on_both_sides():
    options = {"height": 4, "width": 4, "max_pins": 4}
    sides = [
        {image.tobytes() for image in generate(4000, seed=seed, split=split, **options)[0]}
        for seed, split in enumerate(("train", "validation"))
    ]
    either = {image.tobytes() for image in generate(4000, seed=2, **options)[0]}
    assert all(sides)
    assert not sides[0] & sides[1]
    assert either & sides[0]
    assert either & sides[1]


def test_without_repeated_pins_an_image_has_one_label():
    options = {"height": 4, "width": 4, "max_pins": 5, "window_um": 30.0}

    def labels_of_images(**more):
        found = {}
        for image, label in zip(*generate(5000, **options, **more), strict=True):
            found.setdefault(image.tobytes(), set()).add(label.tobytes())
        return [len(labels) for labels in found.values()]

    assert max(labels_of_images(deduplicate=True)) == 1
    assert max(labels_of_images()) > 1


@pytest.mark.parametrize(("least", "most"), [(2, 2), (3, 4), (7, 9)])
def test_nets_have_as_many_pins_as_asked_for(least, most):
    x, _ = generate(500, min_pins=least, max_pins=most, deduplicate=True)
    assert set(x.sum((1, 2, 3), dtype=int)) == set(range(least, most + 1))


def test_a_larger_window_in_micrometres_uses_higher_metals():
    _, small = generate(500, window_um=5.0)
    _, large = generate(500, window_um=50.0)
    assert not small[..., [5, 7]].any()
    assert large[..., [5, 7]].any((1, 2)).all(1).mean() > 0.8


def test_no_nets_are_arrays_of_none():
    x, y = generate(0, height=8, width=16)
    assert x.shape == (0, 8, 16, 1)
    assert y.shape == (0, 8, 16, 8)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"count": -1}, ValueError, "`count` must be at least 0. Received: count=-1"),
        ({"count": 2.5}, TypeError, "`count` must be an integer"),
        ({"seed": -1}, ValueError, "`seed`"),
        ({"seed": None}, TypeError, "`seed`"),
        ({"height": 0}, ValueError, "`height`"),
        ({"width": True}, TypeError, "`width`"),
        ({"height": 1, "width": 1}, ValueError, "room for two pins"),
        ({"min_pins": 1}, ValueError, "`min_pins` must be at least 2"),
        ({"min_pins": 4, "max_pins": 3}, ValueError, "`max_pins` must be at least 4"),
        ({"window_um": 0}, ValueError, "`window_um`"),
        ({"window_um": float("nan")}, ValueError, "`window_um`"),
        ({"window_um": "11"}, ValueError, "`window_um`"),
        ({"split": "test"}, ValueError, 'must be "train", "validation" or None'),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(options, error, words):
    with pytest.raises(error, match=words):
        generate(**{"count": 3} | options)


def test_conditions_that_no_net_fulfils_are_refused():
    with pytest.raises(ValueError, match="Next to no random net"):
        generate(10, height=1, width=2, min_pins=3, max_pins=3, deduplicate=True)


def test_a_net_to_draw_is_checked():
    with pytest.raises(ValueError, match="different places"):
        draw_net([(5, 5), (5, 5)])
    with pytest.raises(ValueError, match="`height`"):
        draw_net([(0, 0), (1, 1)], height=-1)
