"""Training of a quantized model with fewer and fewer bits for its weights."""

from collections.abc import Callable, Iterable

import keras

from keras_alt.number_checks import whole_numbers
from keras_alt.origin import require_keras3
from keras_alt.retargeting import retarget


def narrow(
    model: keras.Model,
    fit: Callable[[keras.Model, int], object],
    bits: Iterable[int] = (6, 5, 4),
) -> keras.Model:
    """Return `model` with narrower weights, trained at each width on the way down.

    For each width, `keras_alt.retarget(model, weights=width)` gives a model with the weights and
    thresholds trained so far, and `fit` trains it. Trained thresholds clip what a narrow grid has
    no room for; thresholds that are calibrated for few bits leave deep networks at chance. Widths
    in `QuantizeConfig.overrides` stay, such as 8 bits for the first and the last layer.

    Args:
        model: from `keras_alt.quantize_model`, trained with more bits; not changed.
        fit: `(model, width)`. It compiles the model and trains it in place; what it returns is
            ignored. It is the place for callbacks, and for `keras_alt.calibrate` with
            `adaptive_rounding=True` and `keep=keras_alt.quantizers(model).values()`.
        bits: widths of the weights, each below the one before. The last is that of the result.

    Returns:
        New `keras.Model`, as the last `fit` left it.

    Raises:
        ValueError: the widths do not fall, or the model stores no configuration.

    Example:

    ```python
    def fit(student, width):
        student.compile(keras_alt.optimizers.alt(5e-4, steps=1000), "mse")
        student.fit(x, y, epochs=2)


    student = keras_alt.narrow(quantized, fit, bits=(6, 5, 4))
    ```
    """
    require_keras3(model)
    bits = whole_numbers(
        "bits",
        bits,
        "widths that fall, such as (6, 5, 4)",
        lambda widths: all(low < high for high, low in zip(widths, widths[1:], strict=False)),
    )
    for width in bits:
        model = retarget(model, weights=width)
        fit(model, width)
    return model
