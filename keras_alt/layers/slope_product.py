"""The product of slopes and inputs, exact in float32 for codes of up to 16 bits."""

from keras import ops

from keras_alt.numerics.rounding import STEPPED

PLAIN = 13  # bits of both operands whose product float32 holds: 2 * 12 digits and a sign
HALVED = 16  # bits of both operands whose product two halves hold
LOW = 256  # codes of the lower half
ROOM = 128  # how much finer than the result the grain is, so that float32 holds both


def rounded_product(layer, slope, x, training):
    """Return the product of slopes and input on the grid of the input.

    Args:
        layer: a `QuantLeakyReLU` or a `QuantPReLU`.
        slope: tensor on the grid of the slopes.
        x: tensor on the grid of the input.
        training: whether it is trained through.
    """
    quantizers = layer.input_quantizer, layer.slope_quantizer
    exponents = [quantizer.exponent_tensor() for quantizer in quantizers]
    product = slope * x
    if in_halves(layer):
        doubled = layer.product_rounding in STEPPED
        decided = _decided(ops.stop_gradient(slope), ops.stop_gradient(x), exponents, doubled)
        product += ops.stop_gradient(decided - product)  # the gradient is that of the product
    return layer.input_quantizer(
        product, rounding=layer.product_rounding, input_exponents=exponents, training=training
    )


def in_halves(layer) -> bool:
    """Return whether a `QuantLeakyReLU` or a `QuantPReLU` multiplies by two halves of its slope."""
    return PLAIN < layer.internal_bits <= HALVED


def _decided(slope, x, exponents, doubled):
    """Return what float32 holds and every rule rounds as it rounds the exact product.

    The exact product of two codes has up to 30 digits. It is rounded to a grid `1 / slope_step`
    times as coarse as its own. Grains are 64 or more to each half of a step of that grid. So it is
    enough to know each product up to the grain that it lies in: what lies between two grains is
    moved to the middle. The upper half of the slope gives whole grains, the lower half the rest.
    All numbers are exact, so a compiler that fuses a product and a sum changes nothing. What
    exceeds float32 in spite of this is clipped.

    Args:
        slope, x: tensors on their grids.
        exponents: log2 of the steps of `x` and `slope`.
        doubled: whether the rule first rounds half up to twice the step of the product.
    """
    x_step, slope_step = (ops.power(ops.cast(2.0, "float32"), e) for e in exponents)
    grain = ops.clip(1.0 / (ROOM * slope_step), 1.0, float(LOW))  # in steps of the product
    codes = slope * (1.0 / slope_step)
    high = ops.floor(codes * (1.0 / LOW)) * LOW
    grains = x * ((codes - high) * (1.0 / (grain * x_step)))
    if doubled:
        pairs = ops.maximum(0.5 * grain, 1.0)  # to a grain
        grains = ops.floor(grains * pairs + 0.5) * (1.0 / pairs)
    middle = ops.floor(grains) + ops.ceil(grains)
    return x * (high * slope_step) + middle * (0.5 * grain * x_step * slope_step)
