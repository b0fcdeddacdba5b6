"""The quantizers of a model or a layer, and their names."""

import keras

from keras_alt.keras_internals import sublayers
from keras_alt.origin import require_keras3
from keras_alt.quantizer.layer import Quantizer


def quantizers(model: keras.Model) -> dict[str, Quantizer]:
    """Return the quantizers of `model` by name, in the order of its layers.

    A quantizer is named `<layer>/<role>`, such as `"conv1/kernel"` or `"conv1/output"`.

    Example:

    ```python
    for name, quantizer in keras_alt.quantizers(model).items():
        print(name, quantizer.format, quantizer.threshold)
    ```

    Args:
        model: Keras 3 model, from `keras_alt.quantize_model` or with `keras_alt.layers`.

    Returns:
        `{name: keras_alt.Quantizer}`; empty for a float model.

    Raises:
        TypeError: the model is of tf_keras.
    """
    require_keras3(model)
    found = {}
    for layer in sublayers(model):
        for quantizer in quantizers_of(layer):
            found.setdefault(quantizer_name(layer, quantizer), quantizer)
    return found


def trained_quantizers(model: keras.Model) -> list[Quantizer]:
    """Return the quantizers whose threshold is among the trainable variables of `model`."""
    require_keras3(model)
    trainable = {id(variable) for variable in model.trainable_variables}
    # Not by name: in a model around the quantized one, such as a distiller, names repeat.
    found = dict.fromkeys(quantizers_of(model))
    return [quantizer for quantizer in found if id(quantizer.log2_threshold) in trainable]


def quantizers_of(layer: keras.layers.Layer) -> list[Quantizer]:
    """Return the quantizers of one layer: itself, or those among its sub-layers."""
    if isinstance(layer, Quantizer):
        return [layer]
    return [q for child in sublayers(layer) for q in quantizers_of(child)]


def quantizer_name(layer: keras.layers.Layer, quantizer: Quantizer) -> str:
    """Return `<layer>/<role>`.

    A node of the graph, whose `layer` is the quantizer itself, is called `<layer>__<role>` there.
    """
    if layer is not quantizer:
        return f"{layer.name}/{quantizer.role}"
    owner, _, role = quantizer.name.rpartition("__")
    return f"{owner}/{role}" if owner else quantizer.name


def node_name(owner: str, role: str) -> str:
    """Return the name of a quantizer that is a node of the graph, after the layer `owner`."""
    return f"{owner}__{role}"


def owner_of(quantizer: Quantizer) -> str:
    """Return the name of the layer after which a node of the graph is named."""
    return quantizer.name.removesuffix(node_name("", quantizer.role))
