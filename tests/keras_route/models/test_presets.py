"""A preset gives back the model, and says where it comes from."""

import json

import keras
import numpy as np
import pytest
from conftest import outputs, randomize

from keras_route.models import FCNRouter, Router
from keras_route.models.presets import PACKAGED, from_preset, model_card, preset_names, save_preset

CARD = {
    "recipe": "not trained",
    "seed": 0,
    "hardware": "none",
    "hours": 0.0,
    "metrics": {"pixel_f1": 0.0},
}
MEGABYTE = 1_000_000


@pytest.fixture
def model(rng):
    return randomize(FCNRouter(height=16, width=None, name="small"), rng)


@pytest.fixture
def preset(model, tmp_path):
    save_preset(model, tmp_path / "small", CARD)
    return tmp_path / "small"


def test_a_preset_is_the_model(model, preset, rng):
    again = FCNRouter.from_preset(preset)
    assert type(again) is FCNRouter
    assert again.get_config() == model.get_config()
    x = rng.integers(0, 2, (2, 16, 8, 1))
    np.testing.assert_array_equal(outputs(again, x)[0], outputs(model, x)[0])


def test_the_card_tells_what_it_was_given(model, preset, tmp_path):
    card = model_card(preset)
    assert CARD.items() <= card.items()
    assert card["class"] == "keras_route>FCNRouter"
    assert card["parameters"] == 50816
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.json", "small.weights.h5"]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_of_the_package_loads_and_is_small(name):
    card = model_card(name)
    cls = keras.saving.get_registered_object(card["class"])
    assert cls.from_preset(name).count_params() == card["parameters"]
    assert (PACKAGED / f"{name}.weights.h5").stat().st_size <= MEGABYTE


def test_a_name_that_is_unknown_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"must be one of \[.*name='fcn_1997'"):
        FCNRouter.from_preset("fcn_1997")


def test_only_names_of_the_class_are_suggested():
    for cls in (FCNRouter, Router):
        kind = keras.saving.get_registered_name(cls)
        assert preset_names(kind)
        with pytest.raises(ValueError, match="must be one of") as caught:
            cls.from_preset("router_99")
        for name in preset_names():
            assert (f"'{name}'" in str(caught.value)) == (name in preset_names(kind))


def test_a_class_without_presets_suggests_none():
    with pytest.raises(ValueError, match=r"^A preset must be the path of another.*name='router_9"):
        from_preset(keras.Sequential, "router_99")


@pytest.mark.parametrize("name", [None, 3, b"router_32"])
def test_a_name_is_a_text(name):
    with pytest.raises(TypeError, match="`name` must be a string"):
        FCNRouter.from_preset(name)


@pytest.mark.parametrize(
    ("card", "match"),
    [
        ("{", "JSON file that `save_preset` wrote"),
        ("[" * 100_000, "too deeply"),
        ("[]", "without class, config, parameters, sha256"),
        ('{"config": {}, "parameters": 1, "sha256": "0"}', "without class$"),
    ],
)
def test_a_damaged_card_is_refused(card, match, preset):
    preset.with_suffix(".json").write_text(card)
    for load in (FCNRouter.from_preset, model_card):
        with pytest.raises(ValueError, match=match):
            load(preset)


def test_a_preset_of_another_class_names_it(preset):
    with pytest.raises(ValueError, match="call `from_preset` of keras_route>FCNRouter"):
        from_preset(keras.Sequential, preset)


def test_weights_that_are_not_those_of_the_card_are_refused(preset):
    weights = preset.with_suffix(".weights.h5")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="another checksum"):
        FCNRouter.from_preset(preset)
    weights.unlink()
    with pytest.raises(ValueError, match="missing"):
        FCNRouter.from_preset(preset)


def test_a_card_must_tell_enough_and_not_what_the_model_tells(model, tmp_path):
    with pytest.raises(ValueError, match=r"without \['hours'\] and with \['config'\]"):
        card = {**CARD, "config": {}}
        del card["hours"]
        save_preset(model, tmp_path / "small", card)
    assert not list(tmp_path.iterdir())


def test_the_card_is_plain_json(preset):
    assert json.loads(preset.with_suffix(".json").read_text())["config"]["height"] == 16
