"""The recipes: a run that is interrupted goes on, and only as it began."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_route.callbacks import RoutePreview
from keras_route.models import FCNRouter
from keras_route.training.recipes import RECIPES
from keras_route.training.run import LAST, train

WINDOW = {"height": 8, "width": 9}


class Small(keras.Model):
    """A network that is traced in a second."""

    def __init__(self, **kwargs):
        inputs = keras.Input((None, None, 1))
        outputs = keras.layers.Conv2D(16, 3, padding="same")(inputs)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    @classmethod
    def for_window(cls, height, width):
        return cls()

    def get_config(self):
        return {}


SHORT = dataclasses.replace(RECIPES["router"], network=Small, steps_per_epoch=4, epochs=2)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    keras.saving.register_keras_serializable("test_training")(Small)


@pytest.mark.full
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path, monkeypatch):
    def stop(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    whole = train(SHORT, tmp_path / "a", validation=32, verbose=0, **WINDOW)
    with monkeypatch.context() as patch:
        patch.setattr(RoutePreview, "on_epoch_end", stop)  # other files tell of the epoch already
        with pytest.raises(KeyboardInterrupt):
            train(SHORT, tmp_path / "b", validation=32, verbose=0, **WINDOW)
    (tmp_path / "b" / "epoch_0001.png").touch()
    train(SHORT, tmp_path / "b", validation=32, verbose=0, **WINDOW)
    a, b = (keras.models.load_model(tmp_path / run / LAST) for run in "ab")
    assert int(a.optimizer.iterations) == int(b.optimizer.iterations) == 8
    for first, second in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(first, second)
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert files == {path.name for path in (tmp_path / "b").iterdir()}
    assert files >= {
        *("best.keras", "last.keras", "recipe.json", "training.csv", "training.png"),
        *("epoch_0001.png", "epoch_0002.png"),
    }
    curves, other = ((tmp_path / run / "training.csv").read_text() for run in "ab")
    assert curves == other
    for run in "ab":
        rows = (tmp_path / run / "seconds.csv").read_text().splitlines()
        assert [row.partition(",")[0] for row in rows] == ["1", "2"]
    assert whole.count_params() == a.count_params()


def test_a_folder_keeps_to_its_recipe(tmp_path):
    short = dataclasses.replace(SHORT, steps_per_epoch=1, epochs=1)
    train(short, tmp_path, validation=8, verbose=0, **WINDOW)
    for other in (
        dataclasses.replace(short, steps_per_epoch=2),
        dataclasses.replace(short, network=FCNRouter),
    ):
        with pytest.raises(ValueError, match="A run goes on as it began.*began with"):
            train(other, tmp_path, validation=8, verbose=0, **WINDOW)
    train(short, tmp_path, validation=8, verbose=0, **WINDOW, max_pins=5)  # as by default
    with pytest.raises(ValueError, match="Received: validation=9; it began with validation=8"):
        train(short, tmp_path, validation=9, verbose=0, **WINDOW)
    with pytest.raises(ValueError, match="Received: seed=7; it began with seed=0"):
        train(short, tmp_path, seed=7, validation=8, verbose=0, **WINDOW)


def test_the_router_sees_the_whole_of_its_window():
    assert RECIPES["router"].new_model(20, 33).sizes["reach"] == 65
    assert isinstance(RECIPES["fcn"].new_model(32, 32), FCNRouter)


def test_a_recipe_may_have_fixed_nets():
    recipe = dataclasses.replace(SHORT, nets=40, batch_size=10)
    first, again = (recipe.batches(0, epoch, **WINDOW) for epoch in (0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert len(first) == SHORT.steps_per_epoch
    assert (first.x[:10] != first[0][0]).any()
    assert (first[0][0] != again[0][0]).any()


def test_held_out_nets_do_not_choose_weights(tmp_path):
    with pytest.raises(ValueError, match="held-out nets.*Received: seed=2025"):
        train(SHORT, tmp_path, seed=2025, verbose=0, **WINDOW)
    assert not list(tmp_path.iterdir())
