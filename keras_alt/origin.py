"""Recognition of models that are not of Keras 3."""


def require_keras3(model):
    """Raise an error that shows the way if `model` is of tf_keras.

    Raises:
        TypeError: names `keras_alt.tfmot.to_keras3`.
    """
    if any(cls.__module__.split(".")[0] == "tf_keras" for cls in type(model).__mro__):
        raise TypeError(
            "A Keras 3 model is expected. Move this one over with "
            "`model, masks, thresholds = keras_alt.tfmot.to_keras3(model)`. "
            f"Received: model '{getattr(model, 'name', model)}' of tf_keras "
            f"(of type {type(model).__module__}.{type(model).__name__})"
        )
