import keras
import numpy as np
import pytest

from keras_route.chip.grid import Grid
from keras_route.chip.guide import guides
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.pins import PinSets

pytestmark = pytest.mark.check


@pytest.fixture
def model():
    return keras.Sequential([keras.layers.Conv2D(16, 3, padding="same")])


def test_a_guide_is_what_the_network_says_about_the_pins_in_its_window(model):
    pins = [np.array([(50, 60), (55, 70)]), np.array([(0, 99), (31, 90), (4, 99)])]

    found = guides(model, Grid(100, 100, 0.2), PinSets.of(pins))

    for net, guide in found.items():
        local = pins[net] - (guide.x, guide.y)
        image = np.zeros((1, 32, 32, 1), "float32")
        image[0, local[:, 1], local[:, 0]] = 1
        scores = model.predict(image, verbose=0)[0]
        np.testing.assert_array_equal(guide.log_odds, scores[..., 1::2] - scores[..., ::2])
        assert check(Net.from_labels(guide.labels, local)) == []
    assert (found[1].x, found[1].y) == (0, 68)  # windows stay in the grid


def test_nets_larger_than_the_window_have_no_guide(model):
    pins = [np.array([(0, 0), (31, 5)]), np.array([(0, 1), (32, 5)]), np.array([(0, 0), (5, 32)])]

    assert set(guides(model, Grid(44, 44, 0.2), PinSets.of(pins))) == {0}
    assert guides(model, Grid(44, 44, 0.2), PinSets.of(pins[1:])) == {}
    assert guides(model, Grid(31, 31, 0.2), PinSets.of([[(0, 0), (5, 5)]])) == {}
