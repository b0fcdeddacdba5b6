import numpy as np
import pytest

from keras_route.models.training_range import TrainingRange
from keras_route.routing.compiled import trees
from keras_route.routing.pins_to_nets import route
from keras_route.training import search_run
from keras_route.training.search_evaluation import (
    evaluate_search,
    grouped,
    held_out_windows,
    route_cost,
    searched_net,
)
from keras_route.training.search_labels import SearchFamily, search_labels

FAMILY = SearchFamily(height=8, width=8, max_pins=3, window_um=2.75)


@pytest.fixture(scope="module")
def windows():
    return held_out_windows(1)


@pytest.mark.full
def test_a_run_learns_and_continues_after_an_interruption(tmp_path, monkeypatch):
    monkeypatch.setattr(search_run, "STEPS_PER_EPOCH", 10)
    labels = search_labels(FAMILY, 0, 0, 40)
    told = {"labels": labels, "epochs": 3, "batch_size": 8, "validation": labels, "verbose": 0}
    whole = search_run.train_on_search(output=tmp_path / "whole", **told)

    def interrupted(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search_run.Log, "on_epoch_begin", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search_run.train_on_search(output=tmp_path / "broken", **told)
    continued = search_run.train_on_search(output=tmp_path / "broken", **told)

    for one, other in zip(whole.get_weights(), continued.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    with pytest.raises(ValueError, match="goes on as it began"):
        search_run.train_on_search(output=tmp_path / "broken", **{**told, "seed": 1})
    losses = np.genfromtxt(tmp_path / "whole" / "log.csv", delimiter=",", names=True)["val_loss"]
    assert losses[-1] < losses[0]


@pytest.mark.check
def test_the_search_is_as_good_as_itself(windows):
    figures = grouped(windows, [window.net for window in windows])

    assert figures["all"].nets == 36
    assert figures["40% blocked"].nets == 9
    assert figures["7 pins"].nets == 4
    for row in figures.values():
        assert row.cost == row.cheapest == row.legal == 1


@pytest.mark.check
def test_held_out_windows_have_the_blocked_share_that_they_tell(windows):
    for window in windows:
        assert abs(window.blocked.mean() - window.share) < 0.05
        assert all(not window.blocked[y, x, 0] for x, y in window.pins)


@pytest.mark.check
def test_other_nets_cost_no_less_than_the_cheapest(windows, rng):
    class Undecided:
        name, channels = "undecided", 5

        def predict_on_batch(self, images):
            return rng.normal(0, 5, (*images.shape[:3], 16))

    blocked = np.stack([window.blocked for window in windows])
    nets = route(Undecided(), [window.pins for window in windows], blocked=blocked)

    figures = grouped(windows, nets)["all"]

    assert figures.legal == 1
    assert figures.cost > 1
    assert all(
        route_cost(net, window.blocked) >= route_cost(window.net, window.blocked)
        for net, window in zip(nets, windows, strict=True)
    )


@pytest.mark.check
def test_a_network_is_measured_in_windows_of_its_training(rng):
    class Undecided:
        name, channels, seen = "undecided", 5, set()
        training_range = TrainingRange(16, 24, 5.5, 2, 10, 0.4)

        def predict_on_batch(self, images):
            self.seen.add(images.shape[1:])
            return rng.normal(0, 5, (*images.shape[:3], 16))

    figures = evaluate_search(Undecided(), 1, seed=3)

    assert Undecided.seen == {(16, 24, 5)}
    assert figures["all"].nets == 36
    assert figures["all"].legal == 1
    assert figures["all"].cost > 1


@pytest.mark.check
def test_the_search_is_exact_up_to_ten_pins_in_larger_windows():
    family = SearchFamily(64, 64, 10, 10, window_um=22.0)
    pins, blocked = family.window(0, 0)
    through = trees.costs_through(*family.maze(blocked).arguments(pins))
    assert route_cost(searched_net(pins, blocked, 22.0), blocked) == through.min()


@pytest.mark.check
def test_a_wire_costs_its_pixels_and_its_vias():
    # m5 and its stacks: 5 pixels of 18.368 ohm / um and the constant, twice via3 and via4.
    net = searched_net(np.array([(4, 2), (4, 30)]), np.zeros((32, 32, 4), bool))

    assert [wire.layer for wire in net.wires] == ["m5"]
    assert route_cost(net, np.zeros((32, 32, 4), bool)) == 29 * 67 + 2 * (257 + 113)
