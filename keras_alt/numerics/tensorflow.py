"""The fused quantizer on TensorFlow: each closed form is one XLA-compiled pass over memory."""

import functools

import tensorflow as tf

from keras_alt.numerics import closed_form


@functools.cache
def _functions(format, rounding, relu_max, fused):
    """Return the differentiable quantizer of one rule set."""

    def forward(x, log2_threshold):
        return closed_form.forward(x, log2_threshold, format, rounding, relu_max)

    def backward(x, log2_threshold, upstream):
        return closed_form.backward(x, log2_threshold, upstream, format, rounding, relu_max)

    if fused:
        compiled = functools.partial(tf.function, jit_compile=True, reduce_retracing=True)
        forward, backward = compiled(forward), compiled(backward)

    @tf.custom_gradient
    def fake_quant(x, log2_threshold):
        def gradient(upstream):
            return backward(x, log2_threshold, upstream)

        return forward(x, log2_threshold), gradient

    return fake_quant


def fake_quant(x, log2_threshold, format, rounding, relu_max, fused):
    return _functions(format, rounding, relu_max, fused)(x, log2_threshold)
