"""A trained network by the name of its preset or file."""

import os

import keras

from keras_route.models.presets import from_preset, model_card

FILE = ".keras"


def load_network(name: str | os.PathLike) -> keras.Model:
    """Return a network from images of pins to scores.

    Args:
        name: of a preset in this package, the path of another preset without suffix, or the path of
            a `.keras` file.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the preset does not exist, or the file holds no network.
    """
    name = os.fspath(name)
    if not name.endswith(FILE):
        kind = model_card(name)["class"]
        cls = keras.saving.get_registered_object(kind) if isinstance(kind, str) else None
        if cls is None:
            raise ValueError(
                f"A preset must hold a network of a registered class: import the module of {kind} "
                f"first. Received: name={name!r}"
            )
        return from_preset(cls, name)
    if not os.path.exists(name):
        raise FileNotFoundError(
            f"There is no file to read a network from; `keras-route train` writes one. "
            f"Received: name={name!r}"
        )
    try:
        return keras.models.load_model(name, compile=False)
    except Exception as error:  # each kind of damage has an exception of its own
        raise ValueError(
            f"A network is read from a file that `model.save` wrote. Received: name={name!r} "
            f"({(str(error) or type(error).__name__).splitlines()[0]})"
        ) from error
