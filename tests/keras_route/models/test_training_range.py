import keras
import numpy as np
import pytest

from keras_route.models import Router, SearchRouter
from keras_route.models.presets import model_card, preset_names
from keras_route.models.training_range import TrainingRange, declare, sees_obstacles
from keras_route.routing.pins_to_nets import route

pytestmark = pytest.mark.check

CARD = {
    "trained_on": {
        "height": 16,
        "width": 16,
        "window_um": 5.5,
        "min_pins": 2,
        "max_pins": 3,
        "most_blocked": 0.2,
    }
}
NETS = [[(1, 2), (9, 4)], [(3, 3), (12, 3), (7, 14)]]
INSIDE = {"height": 16, "width": 16, "window_um": 5.5}


@pytest.fixture(scope="module")
def network():
    model = SearchRouter(reach=15, stem=2, features=(4, 4, 4), blocks=(0, 0, 0))
    declare(model, CARD)
    return model


def test_inside_of_its_range_a_network_routes_without_a_warning(network, recwarn):
    route(network, NETS, **INSIDE, blocked=np.zeros((16, 16, 4), bool))

    assert not [w for w in recwarn if "was trained on" in str(w.message)]


OUTSIDE = {
    "height=24, width=16": {"height": 24},
    "window_um=11.0": {"window_um": 11.0},
    "1 of 2 nets with up to 4 pins": {"pins": [NETS[0], [*NETS[1], (0, 0)]]},
    "2 windows with up to 25% blocked": {"blocked": np.tile(np.arange(4) == 3, (16, 16, 1))},
}


@pytest.mark.parametrize("told", OUTSIDE)
def test_a_call_outside_is_warned_of_once_and_routed(network, told):
    with pytest.warns(UserWarning, match="was trained on windows of 16 x 16") as caught:
        nets = route(network, **{"pins": NETS, **INSIDE, **OUTSIDE[told]})

    assert len(nets) == 2
    assert [str(w.message).endswith(f"Received: {told}") for w in caught] == [True]
    assert caught[0].filename == __file__


def test_a_network_without_a_card_is_not_warned_of(recwarn):
    model = SearchRouter(reach=15, stem=2, features=(4, 4, 4), blocks=(0, 0, 0))

    route(model, [[(1, 2), (9, 4)]], height=8, width=16)

    assert not [w for w in recwarn if "was trained on" in str(w.message)]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_what_it_was_trained_on(name):
    card = model_card(name)

    trained_on = TrainingRange(**card["trained_on"])

    assert trained_on.height == card["recipe"].get("height", trained_on.height)
    assert (trained_on.most_blocked is None) == (card["class"] != "keras_route>SearchRouter")


def test_the_channels_of_the_input_tell_whether_a_network_sees_obstacles(network):
    inputs = keras.Input((16, 16, 5))

    assert sees_obstacles(network)
    assert sees_obstacles(keras.Model(inputs, network.call(inputs)))
    assert not sees_obstacles(Router(reach=15))
    assert not sees_obstacles(object())
