"""Acceptance of the float models that users give."""

import keras

from keras_alt.graph import functional
from keras_alt.keras_internals import nested_layers
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
    require_float_weights(model, function)
    if found := quantizers(model):
        raise ValueError(
            f"`{function}` expects a float model: call it before `quantize_model`. "
            f"Received: model '{model.name}' with quantizer '{next(iter(found))}'"
        )
    return functional(model)


def require_float_weights(model: keras.Model, function: str):
    """Raise an error if Keras' own `quantize` has rounded weights of a model.

    Args:
        model: Keras 3 model.
        function: name of the function that expects a float model; for the error.

    Raises:
        ValueError: a layer has a policy such as "int8_from_float32".
    """
    for layer in nested_layers(model):
        if layer.quantization_mode is not None:
            raise ValueError(
                f"`{function}` expects float weights: give it the model as it was before Keras' "
                f"own `model.quantize`. Received: dtype_policy={layer.dtype_policy.name!r}, layer "
                f"'{layer.name}'"
            )
