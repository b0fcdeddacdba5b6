"""Removal of the upper bounds that no value reaches."""

import keras

from keras_alt.calibration.batches import read_batches
from keras_alt.equalization.caps import caps_of
from keras_alt.equalization.ranges import ranges_on_data
from keras_alt.graph import Graph, rewrite
from keras_alt.quantizer import float_model
from keras_alt.replacements import Replacements
from keras_alt.transforms import plain


def drop_caps(
    model: keras.Model,
    data,
    samples: int = 256,
    batch_size: int = 64,
    verbose: bool = True,
) -> keras.Model:
    """Return a float model with a ReLU for each ReLU6 whose bound no value of `data` reaches.

    Outputs for `data` stay the same. For inputs that go further, the function changes: a bound that
    held there is gone. In return, a quantizer computes the ReLU, and `keras_alt.equalize` need not
    keep a bound for each channel. Call it before or behind `equalize`: a
    `keras_alt.layers.CappedReLU` is replaced if no channel reaches its cap.

    Args:
        model: built float `keras.Model`; not changed.
        data: inputs as for `keras_alt.calibrate`.
        samples: how many samples are read, from the start of `data`.
        batch_size: how many of them pass through a layer at a time.
        verbose: whether to show a progress bar.

    Returns:
        Functional `keras.Model`, flat, with the batch norms of `model`.

    Raises:
        TypeError: `model` is not a Keras 3 model.
        ValueError: `model` is quantized, or `data` does not fit it.

    Example:

    ```python
    model = keras_alt.drop_caps(model, x_train)
    print([layer.name for layer in model.layers if isinstance(layer, keras.layers.ReLU)])
    ```
    """
    graph = Graph(plain(float_model(model, "drop_caps")))
    caps = {c.output: caps_of(c.layer) for c in graph.calls if caps_of(c.layer) is not None}
    batches = read_batches(graph.model, data, samples, batch_size)
    ranges = ranges_on_data(graph, caps, batches, verbose)
    unreached = [graph.producer[t] for t, most in ranges.items() if (most < caps[t]).all()]
    layers = Replacements(graph, unreached)

    def rule(call, new):
        relu = layers(call.layer, None, lambda name: _relu(call.layer, name))
        return relu(new(call.inputs[0]))

    return rewrite(graph, rule, unreached)


def _relu(capped, name):
    return keras.layers.ReLU(name=name, dtype=capped.dtype_policy, trainable=capped.trainable)
