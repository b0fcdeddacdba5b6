"""A network is the same under every name it can be loaded by."""

import keras
import pytest
from conftest import assert_same_outputs

from keras_route.models import Router
from keras_route.models.loading import load_network
from keras_route.models.presets import save_preset

CARD = dict.fromkeys(("recipe", "seed", "hardware", "hours", "metrics"), "none")


@pytest.fixture
def model():
    return Router(reach=7, stem=2, lines=3, features=4, line_blocks=1, pixel_blocks=1)


def test_presets_and_files_give_the_network(model, tmp_path, rng):
    save_preset(model, tmp_path / "small", CARD)
    model.save(tmp_path / "small.keras")

    x = rng.integers(0, 2, (2, 8, 12, 1)).astype("float32")
    for name in ("small", "small.keras"):
        loaded = load_network(tmp_path / name)
        assert type(loaded) is Router
        assert_same_outputs(loaded, model, x)


def test_any_keras_network_is_loaded(tmp_path):
    keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(16, 3)]).save(
        tmp_path / "plain.keras"
    )

    assert load_network(tmp_path / "plain.keras").count_params() == 160


def test_a_preset_of_an_unknown_class_is_refused(model, tmp_path):
    save_preset(model, tmp_path / "small", CARD)
    card = (tmp_path / "small.json").read_text()
    (tmp_path / "small.json").write_text(card.replace("keras_route>Router", "elsewhere>Network"))

    with pytest.raises(ValueError, match="import the module of elsewhere>Network"):
        load_network(tmp_path / "small")


def test_names_of_nothing_are_refused(tmp_path):
    (tmp_path / "text.keras").write_text("not a network")

    with pytest.raises(FileNotFoundError, match="keras-route train"):
        load_network(tmp_path / "missing.keras")
    with pytest.raises(ValueError, match=r"Received: name='.*text.keras' \("):
        load_network(tmp_path / "text.keras")
    with pytest.raises(ValueError, match="A preset must be one of"):
        load_network("router_1997")
