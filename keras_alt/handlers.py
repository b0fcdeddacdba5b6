"""Tables of functions by kind of layer, filled by a decorator."""

import keras


class Handlers(dict):
    """`{key: function}`, filled by a decorator."""

    def handles(self, *keys):
        """Return a decorator that enters a function under `keys`."""

        def register(function):
            self.update(dict.fromkeys(keys, function))
            return function

        return register


def kind_of(layer: keras.Operation) -> type | str | None:
    """Return the type of a layer or the class name of a Keras operator, else None.

    A layer that computes another one exactly tells it by `exact_form_of`, see `ExactAverage`. Its
    subclasses may compute something else.
    """
    if isinstance(layer, keras.layers.Layer):
        return vars(type(layer)).get("exact_form_of", type(layer))
    is_keras = type(layer).__module__.startswith("keras.")
    return type(layer).__name__ if is_keras else None
