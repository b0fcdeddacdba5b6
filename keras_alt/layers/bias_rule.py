"""How a kernel layer rounds its bias: beside the accumulator, or on the product grid.

Beside the accumulator, sum and bias are each rounded by a trained quantizer before they are added;
it is one quantizer if their widths agree. On the product grid, the bias has 32-bit codes at the
product of the input's and the kernel's scale, and the sum is exact.
"""

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.layers.channels import add_bias, channel_axis
from keras_alt.layers.child_quantizers import (
    child_quantizer,
    initial_output_threshold,
    quantized,
)
from keras_alt.numerics.function import QuantizedSum, fake_quant, remember_sum
from keras_alt.quantizer import Quantizer
from keras_alt.targets import BESIDE_ACCUMULATOR, get_target

PRODUCT_GRID = FixedPoint(32)
# The sum may exceed the range of the output; 16 bits have room for the three more bits.
ACCUMULATOR_HEADROOM = 8.0


def is_beside_accumulator(target: str) -> bool:
    """Return whether the engine of `target` rounds the bias beside the accumulator."""
    return get_target(target).bias_rule == BESIDE_ACCUMULATOR


def accumulator_and_bias(layer: keras.layers.Layer) -> tuple[Quantizer | None, Quantizer | None]:
    """Return new quantizers for sum and bias of `layer`; None for what stays exact or float."""
    if not is_beside_accumulator(layer.target):
        return None, None
    threshold = ACCUMULATOR_HEADROOM * initial_output_threshold(layer)
    sum_bits, bias_bits = layer.accumulator_bits, layer.bias_bits if layer.has_bias else None
    accumulator = child_quantizer(layer, "accumulator", _signed(sum_bits), threshold)
    if bias_bits == sum_bits:
        return accumulator, accumulator
    return accumulator, child_quantizer(layer, "bias", _signed(bias_bits), threshold)


def product_exponent(layer: keras.layers.Layer, input_exponent):
    """Return log2 of the scale of the products of `layer`, None if the input's is not known.

    A kernel with a scale for each channel has a vector of them.

    Args:
        input_exponent: log2 of the scale of the input, a float32 scalar tensor, or None.
    """
    if input_exponent is None or layer.kernel_quantizer is None:
        return None
    kernel_exponent = layer.kernel_quantizer.exponent_tensor()
    # A kernel may have one exponent for each channel, in a shape that broadcasts over it.
    if len(kernel_exponent.shape):
        kernel_exponent = ops.reshape(kernel_exponent, (-1,))
    return ops.stop_gradient(input_exponent + kernel_exponent)


def on_product_grid(layer: keras.layers.Layer, bias, exponent):
    """Return `bias` on the product grid.

    Args:
        exponent: log2 of the scale of the products, see `product_exponent`.

    Raises:
        ValueError: the scale is not known.
    """
    if exponent is None:
        raise ValueError(
            f"Target '{layer.target}' puts the bias at the product of the input's and the "
            f"kernel's scale, so layer '{layer.name}' expects the input's scale exponent: "
            "`y, exponent = quantizer(x, with_exponent=True)`, then "
            "`layer(y, input_exponent=exponent)`. Received: input_exponent=None. "
            "`quantize_model` does this; a hand-written model may use target='paper'."
        )
    log2_threshold = exponent + float(PRODUCT_GRID.bits - 1)
    return fake_quant(bias, log2_threshold, PRODUCT_GRID, training=False)


def accumulated(layer: keras.layers.Layer, y, bias, training):
    """Return `accumulator(y) + bias`, a sum that remembers its terms while it trains."""
    accumulator = layer.accumulator_quantizer
    rounded = y if accumulator is None else quantized(accumulator, y, training)
    total = add_bias(layer, rounded, bias)
    if training and bias is not None and channel_axis(layer) == -1:
        rules = () if accumulator is None else (accumulator.threshold_and_rules(),)
        remember_sum(total, QuantizedSum(y, bias, rules))
    return total


def _signed(bits):
    return None if bits is None else FixedPoint(bits)
