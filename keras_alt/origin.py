"""Detection of tf_keras models, and of what is no model."""

import keras


def require_keras3(model):
    """Raise an error if `model` belongs to tf_keras.

    Raises:
        TypeError: the model belongs to tf_keras. The message names `keras_alt.tfmot.to_keras3`.
    """
    if any(cls.__module__.split(".")[0] == "tf_keras" for cls in type(model).__mro__):
        raise TypeError(
            "The model must be a Keras 3 model. Convert it with "
            "`model, masks, thresholds = keras_alt.tfmot.to_keras3(model)`. "
            f"Received: model '{getattr(model, 'name', model)}' of tf_keras "
            f"(of type {type(model).__module__}.{type(model).__name__})"
        )


def require_model(model, function: str):
    """Raise an error if `model` is no Keras 3 model.

    Args:
        model: what a user gave.
        function: name of the function that expects a model.

    Raises:
        TypeError: the model belongs to tf_keras or is something else.
    """
    require_keras3(model)
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`{function}` expects a Keras 3 `keras.Model`. "
            f"Received: model={model!r} (of type {type(model).__module__}.{type(model).__name__})"
        )
