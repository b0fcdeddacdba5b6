"""Detection of tf_keras models."""


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
