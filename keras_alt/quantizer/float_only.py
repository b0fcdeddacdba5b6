"""Acceptance of the float models that users give."""

import keras

from keras_alt.graph import functional
from keras_alt.origin import require_model
from keras_alt.quantizer.finders import quantizers


def float_model(model, function: str) -> keras.Model:
    """Return the functional model behind the float model that a user gave.

    Args:
        model: what a user gave.
        function: name of the function that expects a float model; for the error.

    Raises:
        TypeError: it is no Keras 3 model.
        ValueError: it is quantized.
    """
    require_model(model, function)
    if found := quantizers(model):
        raise ValueError(
            f"`{function}` expects a float model: call it before `quantize_model`. "
            f"Received: model '{model.name}' with quantizer '{next(iter(found))}'"
        )
    return functional(model)
