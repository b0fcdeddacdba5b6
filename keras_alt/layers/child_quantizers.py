"""The quantizers and masks that a layer has as children: which width gives which.

Files save a child under the name of its attribute, and its weights in the order in which the
attributes are set. Both stay as they are.
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_alt.activations import NEVER_NEGATIVE, RELU_MAX, activation_name
from keras_alt.formats import FixedPoint
from keras_alt.layers.mask import KernelMask
from keras_alt.numerics.closed_form import exact_log2
from keras_alt.quantizer import Quantizer, quantizers_of


def child_quantizer(
    layer: keras.layers.Layer,
    role: str,
    format: FixedPoint | None,
    initial_threshold: float | None = None,
    activation: str | None = None,
    channel_axes: Sequence[int] = (),
) -> Quantizer | None:
    """Return a new quantizer for a child of `layer`; None if `format` is."""
    if format is None:
        return None
    return Quantizer(
        format,
        activation=activation,
        initial_threshold=initial_threshold,
        role=role,
        channel_axes=channel_axes,
        name=f"{role}_quantizer",  # `.h5` cannot hold a group beside a dataset of its name
        trainable=layer.trainable_thresholds,
        dtype=layer.dtype_policy,
    )


def quantized(quantizer: Quantizer, tensor, training):
    """Return what a child quantizer makes of a tensor, in the call of its layer.

    What Keras does around a call, it has done for the layer. Without a graph, it takes longer than
    the rounding of a kernel.
    """
    return quantizer.call(tensor, training=training)


def has_trainable_thresholds(layer: keras.layers.Layer) -> bool:
    """Return whether a threshold of `layer` trains. A user may freeze the layer at any time."""
    found = quantizers_of(layer)
    return not found or any(quantizer.trainable for quantizer in found)


def child_mask(layer: keras.layers.Layer, role: str) -> KernelMask | None:
    """Return a new mask for a kernel of `layer`; None unless the layer is sparse."""
    return KernelMask(name=f"{role}_mask") if layer.sparse else None


def output_quantizer(layer: keras.layers.Layer) -> Quantizer | None:
    """Return a new quantizer for the output of `layer`: unsigned if that is never negative."""
    if layer.activation_bits is None:
        return None
    return child_quantizer(
        layer,
        "activation",
        FixedPoint(layer.activation_bits, signed=activation_name(layer) not in NEVER_NEGATIVE),
        initial_output_threshold(layer),
        activation_name(layer) if computes_activation(layer) else None,
    )


def computes_activation(layer: keras.layers.Layer) -> bool:
    """Return whether an output quantizer of `layer` computes the activation in its own pass."""
    name = activation_name(layer)
    return name is not None and name in RELU_MAX


def initial_output_threshold(layer: keras.layers.Layer) -> float:
    """Return the threshold of the output before calibration: by default 1, or 6 after ReLU6."""
    if layer.initial_threshold is not None:
        return layer.initial_threshold
    return 6.0 if layer.activation is keras.activations.relu6 else 1.0


def three_sigma_initializer(kernel):
    """Return an initializer of log2(|mean| + 3 * standard deviation) of `kernel`.

    Moments are those of the values that share a threshold.
    """

    def initializer(shape, dtype=None):
        values = ops.cast(ops.convert_to_tensor(kernel), "float32")
        axes = tuple(axis for axis, size in enumerate(shape) if size == 1) if shape else None
        over = {"axis": axes, "keepdims": bool(shape)}
        threshold = ops.abs(ops.mean(values, **over)) + 3.0 * ops.std(values, **over)
        return exact_log2(ops.where(threshold > 0, threshold, ops.ones_like(threshold)))

    return initializer


def build_child(child: keras.layers.Layer | None, shape=()):
    """Build `child`, if there is one, unless a file that is being loaded has built it already."""
    if child is not None and not child.built:
        child.build(shape)
