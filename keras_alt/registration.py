"""Registration of layers from outside."""

from collections.abc import Callable

import keras

from keras_alt.functions import FUNCTIONS, Function
from keras_alt.operators import OPERATORS, Operator, elementwise
from keras_alt.transforms.as_keras import TWINS


def register(
    layer: type[keras.layers.Layer],
    *,
    function: Callable[[keras.layers.Layer], Function] | None = None,
    like: type[keras.layers.Layer] | None = None,
    operator: Operator | None = None,
):
    """Tell `keras_alt` what a layer of your own is to quantization.

    A layer that is not registered stays float, because a subclass may compute anything. Give one of
    the three arguments. Register again before you load a quantized model from a file.

    Args:
        layer: the type. Subclasses need a registration of their own.
        function: for an elementwise function without weights: `(layer) -> f`, where `f` maps
            float64 NumPy arrays. It becomes a table of codes. Its gradient is measured from `f`.
        like: for a layer that computes at inference what this Keras type does, with the weights in
            the same order. It becomes a layer of that type; arguments of its own are dropped.
        operator: for everything else, an entry of `keras_alt.operators.OPERATORS`;
            `docs/extending.md` shows what it needs beside that.

    Raises:
        TypeError: `layer` is no type of layer, or not exactly one of the three is given.

    Example:

    ```python
    class Swash(keras.layers.Layer):
        def call(self, x):
            return x * keras.ops.sigmoid(1.7 * x)


    keras_alt.register(Swash, function=lambda layer: lambda x: x / (1 + np.exp(-1.7 * x)))
    ```
    """
    if not (isinstance(layer, type) and issubclass(layer, keras.layers.Layer)):
        raise TypeError(f"`layer` must be a type of Keras layer. Received: layer={layer!r}")
    given = {"function": function, "like": like, "operator": operator}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise TypeError(
            "`register` takes one of `function`, `like` and `operator`. "
            f"Received: {', '.join(given) or 'none'}"
        )
    if function is not None:
        FUNCTIONS[layer], OPERATORS[layer] = function, elementwise
    elif like is not None:
        TWINS[layer] = like
    elif operator is not None:
        OPERATORS[layer] = operator
