"""Trained models as presets: weights, and a model card about their training.

A preset is two files, `<name>.json` with the card, and `<name>.weights.h5`. The presets of this
package lie in its folder `presets`.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping

import keras

from keras_route.files import written_whole
from keras_route.json_reading import load_json
from keras_route.models.training_range import declare

PACKAGED = pathlib.Path(__file__).parents[1] / "presets"
TOLD = ("recipe", "seed", "hardware", "hours", "metrics")
WRITTEN = ("class", "config", "parameters", "sha256")


def from_preset(cls, name: str | os.PathLike) -> keras.Model:
    """Return a trained model of this class.

    Args:
        name: of a preset in this package, or the path of one elsewhere, without suffix.

    Raises:
        ValueError: the preset does not exist, holds a model of another class, or has weights that
            differ from those of its card.
    """
    kind = keras.saving.get_registered_name(cls)
    card = _card(name, preset_names(kind))
    if card["class"] != kind:
        raise ValueError(
            f"A preset must hold a model of the class that loads it, here {kind}: call "
            f"`from_preset` of {card['class']}. Received: name={os.fspath(name)!r}"
        )
    weights = _path(name, ".weights.h5")
    if not weights.is_file() or _digest(weights) != card["sha256"]:
        raise ValueError(
            "The weights of a preset must be those that its card describes: write both with "
            f"`save_preset`, or install the package again. Received: '{weights}', missing or "
            "with another checksum"
        )
    try:
        model = cls.from_config(card["config"])
        model.load_weights(weights)
        declare(model, card)
    except Exception as error:  # each fault of a configuration has an exception of its own
        raise ValueError(
            "A card must describe the network of its weights: write the preset again by "
            f"`save_preset`. Received: name={os.fspath(name)!r} "
            f"({(str(error) or type(error).__name__).splitlines()[0]})"
        ) from error
    return model


def model_card(name: str | os.PathLike) -> dict:
    """Return the card of a preset: class and config of the model, its training and its metrics.

    Args:
        name: of a preset in this package, or the path of one elsewhere, without suffix.

    Raises:
        ValueError: the preset does not exist, or its card is damaged.
    """
    return _card(name, preset_names())


def preset_names(kind: str | None = None) -> list[str]:
    """Return the names of the presets in this package.

    Args:
        kind: registered name of a class, to have the presets of that class alone.
    """
    names = sorted(path.stem for path in PACKAGED.glob("*.json"))
    return [name for name in names if kind is None or _card(name, names)["class"] == kind]


def save_preset(model: keras.Model, name: str | os.PathLike, card: Mapping) -> None:
    """Write the weights of a model and its card as a preset.

    Args:
        model: of a registered class whose `from_config` builds the variables.
        name: a bare name writes into this package; or a path without suffix.
        card: facts for the reader, as JSON: at least "recipe", "seed", "hardware", "hours" and
            "metrics". With "trained_on", the fields of `TrainingRange`, `route` warns outside of
            them.

    Raises:
        ValueError: the card lacks one of these, or has an entry that comes from the model.
    """
    missing, taken = [k for k in TOLD if k not in card], [k for k in WRITTEN if k in card]
    if missing or taken:
        raise ValueError(
            f"A model card must tell {', '.join(TOLD)}; {', '.join(WRITTEN)} are written from the "
            f"model. Received: a card without {missing} and with {taken}"
        )
    plain = type(model).from_config(model.get_config())
    plain.set_weights(model.get_weights())  # a compiled model would write its optimizer, too
    with written_whole(_path(name, ".weights.h5")) as weights:
        plain.save_weights(weights)
        digest = _digest(weights)
    written = {
        "class": keras.saving.get_registered_name(type(model)),
        "config": model.get_config(),
        "parameters": model.count_params(),
        "sha256": digest,
    }
    with written_whole(_path(name, ".json")) as path, open(path, "w", encoding="utf-8") as file:
        json.dump({**card, **written}, file, indent=1)
        file.write("\n")


def _card(name, known):
    """Return the card of a preset; the error about a name that does not exist tells the known."""
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"`name` must be a string or a `pathlib.Path`. Received: name={name!r}")
    path = _path(name, ".json")
    if not path.is_file():
        presets = f"one of {known}, or " if known else ""
        raise ValueError(
            f"A preset must be {presets}the path of another without suffix. "
            f"Received: name={os.fspath(name)!r}"
        )
    try:
        with open(path, encoding="utf-8") as file:
            card = load_json(file)
    except ValueError as error:
        raise ValueError(
            f"A card must be a JSON file that `save_preset` wrote. Received: '{path}' ({error})"
        ) from error
    missing = [key for key in WRITTEN if key not in card] if isinstance(card, dict) else WRITTEN
    if missing:
        raise ValueError(
            "A card must be one that `save_preset` wrote: write the preset again. "
            f"Received: '{path}' without {', '.join(missing)}"
        )
    return card


def _path(name, suffix):
    folder, stem = os.path.split(name)
    return pathlib.Path(folder or PACKAGED) / f"{stem}{suffix}"


def _digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
