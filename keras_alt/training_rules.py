"""The constraints and regularizers of layers, which a transform of weights may have to drop."""

import warnings
from collections.abc import Iterable

import keras

ENDINGS = ("_constraint", "_regularizer")
SHOWN = 3  # layers in a warning


def training_rules(layer: keras.layers.Layer) -> list[str]:
    """Return the names of the constraints and regularizers that a layer has."""
    config = layer.get_config()
    return [name for name, value in config.items() if name.endswith(ENDINGS) and value is not None]


def warn_of_dropped_rules(
    dropped: Iterable[tuple[keras.layers.Layer, list[str]]], why: str, stacklevel: int
):
    """Warn of the rules that layers lose, unless the layers do not train.

    Args:
        dropped: pairs of a layer and the names of its rules.
        why: a sentence.
        stacklevel: of the code to blame, counted from the caller as 1.
    """
    names = {layer.name: rules for layer, rules in dropped if layer.trainable and rules}
    if names:
        listed = [f"'{name}' ({', '.join(names[name])})" for name in sorted(names)]
        more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
        told = f"{'; '.join(listed[:SHOWN])}{more}"
        warnings.warn(f"{why} Received: {told}", stacklevel=stacklevel + 1)
