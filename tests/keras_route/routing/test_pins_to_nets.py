import keras
import numpy as np
import pytest

from keras_route.data.random_nets import generate
from keras_route.layout.checking import check
from keras_route.models import SearchRouter
from keras_route.models.comparator import scores_of
from keras_route.pins import pins_of
from keras_route.routing.pins_to_nets import route

pytestmark = pytest.mark.check


class Decided:
    """Stands for a network that decides given label images, each score one away from zero."""

    name = "decided"

    def __init__(self, labels):
        self.labels = labels

    def predict_on_batch(self, images):
        pins = [image.tobytes() for image in self.labels[..., :1].astype("float32")]
        labels = self.labels[[pins.index(image.tobytes()) for image in images]]
        return scores_of(labels)


@pytest.fixture
def labels():
    return generate(40, seed=3)[1]


def test_what_a_network_decided_right_is_kept(labels):
    nets = route(Decided(labels), pins_of(labels[..., :1]))

    for net, label in zip(nets, labels, strict=True):
        np.testing.assert_array_equal(net.to_labels(), label)
        assert not net.repaired
        assert net.changed == 0


def test_repairs_are_counted_in_pixels(labels, rng):
    decided = labels.copy()
    for i, label in enumerate(decided):  # one pixel of metal or via less, one more
        on, off = (np.argwhere(label[..., 1:] == value) for value in (1, 0))
        for places, value in ((on, 0), (off, 1)):
            y, x, layer = places[rng.integers(len(places))]
            decided[i, y, x, 1 + layer] = value

    nets = route(Decided(decided), pins_of(labels[..., :1]))

    for net, label in zip(nets, decided, strict=True):
        assert check(net) == []
        assert net.repaired
        assert net.changed == np.count_nonzero(net.to_labels() != label)
    right = [np.array_equal(net.to_labels(), y) for net, y in zip(nets, labels, strict=True)]
    assert np.mean(right) > 0.8


def test_images_and_lists_of_pins_give_the_same_nets(labels):
    model = Decided(labels)

    assert route(model, labels[..., :1]) == route(model, pins_of(labels[..., :1]))


def test_an_untrained_network_gives_legal_nets_in_windows_of_any_size():
    model = keras.Sequential([keras.layers.Conv2D(16, 5, padding="same")])
    pins = pins_of(generate(20, height=24, width=40)[0])

    nets = route(model, pins, height=24, width=40, window_um=5.5)

    assert [set(net.pins) for net in nets] == [set(map(tuple, net.tolist())) for net in pins]
    for net in nets:
        assert (net.height, net.width, net.window_um) == (24, 40, 5.5)
        assert check(net) == []


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 4), (40, 32, 32, 4)])
def test_nets_keep_off_what_is_blocked(labels, shape, rng):
    blocked = rng.random(shape) < 0.01
    for i, pins in enumerate(pins_of(labels[..., :1])):  # no pin is covered
        x, y = pins.T
        (blocked[i] if len(shape) == 4 else blocked)[y, x] = False

    nets = route(Decided(labels), pins_of(labels[..., :1]), blocked=blocked)

    for i, net in enumerate(nets):
        assert check(net, blocked[i] if len(shape) == 4 else blocked) == []
    assert sum(net.repaired for net in nets) > 0


def test_no_nets_give_no_nets():
    assert route(Decided(np.zeros((0, 32, 32, 8))), []) == []


@pytest.mark.parametrize(
    ("pins", "error", "match"),
    [
        ([[(1, 2), (3, 32)]], ValueError, "inside|in the window"),
        ([[(1, 2), (1, 2)]], ValueError, "two pins in different places"),
        ([[(1, 2)]], ValueError, "two pins"),
        ([[(1.5, 2.0), (3.0, 4.0)]], TypeError, "integer"),
        ([(1, 2), (3, 4)], ValueError, r"shape \(n, 2\)"),
        (np.zeros((2, 32, 32, 3)), ValueError, "Images of pins"),
        (np.full((1, 32, 32, 1), 0.5), ValueError, "from 0.5 to 0.5"),
        (np.zeros((1, 32, 32, 1)), ValueError, "pins"),
    ],
)
def test_wrong_pins_are_refused(labels, pins, error, match):
    with pytest.raises(error, match=match):
        route(Decided(labels), pins)


@pytest.mark.parametrize("window_um", [0, -5.0, float("nan"), float("inf")])
def test_windows_have_a_size(labels, window_um):
    with pytest.raises(ValueError, match="Received: window_um="):
        route(Decided(labels), pins_of(labels[..., :1]), window_um=window_um)


def test_wrong_scores_are_refused(labels):
    class Wrong(Decided):
        def predict_on_batch(self, images):
            return np.zeros((len(images), 32, 32, 8))

    with pytest.raises(ValueError, match=r"Received: model='decided', which returns \(40,"):
        route(Wrong(labels), pins_of(labels[..., :1]))


@pytest.mark.parametrize("shape", [(32, 31), (39, 32, 32, 4), (40, 32, 31, 4)])
def test_wrong_shapes_of_what_is_blocked_are_refused(labels, shape):
    with pytest.raises(ValueError, match="Received: blocked of shape"):
        route(Decided(labels), pins_of(labels[..., :1]), blocked=np.zeros(shape, bool))


THREE = [[(1, 2), (30, 2)], [(1, 2), (3, 4)], [(0, 0), (31, 31)]]


@pytest.mark.parametrize("obstacles_seen", [False, True])
def test_all_nets_that_cannot_be_joined_are_named(obstacles_seen):
    wall = np.zeros((32, 32), bool)
    wall[:, 20] = True
    model = (
        SearchRouter(reach=15, stem=2, features=(4, 4, 4), blocks=(0, 0, 0))
        if obstacles_seen
        else keras.Sequential([keras.layers.Conv2D(16, 1)])
    )

    with pytest.raises(ValueError, match="block less") as caught:
        route(model, THREE, blocked=wall, names=["a", "", "c"])

    told = str(caught.value)
    assert "2 of 3 nets" in told
    assert "net 0 'a' with pins=[(1, 2), (30, 2)] and 128 of 4096 pixels blocked" in told
    assert "net 2 'c'" in told
    assert "net 1" not in told
    (joined,) = route(model, THREE[1:2], blocked=wall, names=["b"])
    assert joined.name == "b"
    assert check(joined, wall) == []


def test_many_nets_that_cannot_be_joined_are_counted():
    model = keras.Sequential([keras.layers.Conv2D(16, 1)])

    with pytest.raises(ValueError, match=r"7 of 7 nets .*and 2 further nets$"):
        route(model, THREE[:1] * 7, blocked=np.ones((32, 32), bool))


def test_a_wrong_net_is_named(labels):
    with pytest.raises(ValueError, match="^net 1: Pins must lie in the window"):
        route(Decided(labels), [[(1, 2), (3, 4)], [(1, 2), (3, 32)]])
    with pytest.raises(TypeError, match="^net 1 'b': `pins` must be integer"):
        route(Decided(labels), [[(1, 2), (3, 4)], [(1, 2), (3, 3.5)]], names=["a", "b"])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"model": None}, TypeError, "`model` must be a Keras model.*Received: model=None"),
        ({"model": SearchRouter}, TypeError, "`model` must be a Keras model"),
        ({"pins": None}, TypeError, "`pins` must be a list of nets.*Received: pins=None"),
        ({"pins": 3}, TypeError, "`pins` must be a list of nets"),
        ({"pins": [None]}, ValueError, "net 0: `pins` must be a list of"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"batch_size": None}, TypeError, "`batch_size` must be an integer"),
        ({"height": 10**9}, ValueError, "`height` must be at most 4096"),
        ({"width": "32"}, TypeError, "`width` must be an integer"),
        ({"window_um": True}, ValueError, "Received: window_um=True"),
        ({"progress": 1}, TypeError, "`progress` must be a function"),
        ({"names": "a"}, ValueError, "`names` must be a list with the name of each of the 1 nets"),
        ({"names": [1]}, ValueError, "`names` must be a list"),
        ({"names": ["a", "b"]}, ValueError, "`names` must be a list"),
        ({"names": 1}, ValueError, "`names` must be a list"),
        ({"blocked": "x"}, ValueError, "Received: blocked of shape"),
        ({"blocked": [[0], [0, 1]]}, ValueError, "`blocked` must be an array"),
    ],
    ids=str,
)
def test_nonsense_is_refused_in_our_words(arguments, error, match, labels):
    given = {"model": Decided(labels), "pins": [[(1, 2), (3, 4)]]} | arguments
    with pytest.raises(error, match=match):
        route(**given)
