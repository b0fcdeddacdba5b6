"""Paths of trained thresholds on Gaussian data, for `threshold_dynamics.py`."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_alt.numerics import closed_form
from keras_alt.optimizers import ThresholdAdam

LN2 = np.log(2.0)
NORMAL = tf.math.ndtri((np.arange(2**18) + 0.5) / 2**18).numpy()  # the distribution itself
SMALLEST = 2.0**-10  # a threshold in its own units that would become negative stops here


@functools.cache
def compiled_quantizer(format):
    rules = (format, "half_even", None)

    def values(x, log2_thresholds):
        q = closed_form.forward(x, log2_thresholds, *rules)
        dx, shares = closed_form.backward_terms(x, log2_thresholds, tf.ones_like(x), *rules)
        return q, dx, shares * closed_form.power_of_two(log2_thresholds, format) * closed_form.LN2

    return tf.function(values, input_signature=2 * [tf.TensorSpec([None, None])], autograph=False)


def quantized(x, log2_thresholds, format):
    """Return q, dq/dx and dq/dlog2_threshold of each value; one threshold for each row of `x`.

    These are the expressions that `keras_alt.fake_quant` computes.
    """
    x, log2_thresholds = np.float32(x), np.float32(log2_thresholds)[:, None]
    return [value.numpy() for value in compiled_quantizer(format)(x, log2_thresholds)]


def trained_gradient(x, log2_thresholds, format):
    """Return the gradients of `sum((q - x)**2) / 2`, one for each row."""
    q, _, slope = quantized(x, log2_thresholds, format)
    return np.sum((q - x) * slope, axis=1)


def clipped_gradient(x, log2_thresholds, format):
    """Return the gradients of a quantizer that has none inside the range.

    TensorFlow's FakeQuant and PACT train their thresholds by these.
    """
    q, inside, slope = quantized(x, log2_thresholds, format)
    return np.sum((q - x) * slope * (1 - inside), axis=1)


def descend(update, format, samples, start, steps, gradient=trained_gradient):
    """Return the path of log2 thresholds, of shape (steps + 1, thresholds).

    Args:
        update: function of the log2 thresholds and their gradients that returns new ones.
        samples: function of the step that returns values of shape (thresholds, count).
    """
    path = [np.asarray(start, "float64")]
    for step in range(steps):
        path.append(update(path[-1], gradient(samples(step), path[-1], format)))
    return np.array(path)


def gradient_ratio(sigmas, boundary, format):
    """Return `-g_l / g_h`: the pull outward below the boundary over the pull inward above it."""
    x = sigmas[:, None] * NORMAL
    octave = np.full(len(sigmas), float(boundary))
    return -trained_gradient(x, octave, format) / trained_gradient(x, octave + 0.5, format)


def raw_sgd(rate):
    def update(log2, gradient):
        t = 2.0**log2
        return np.log2(np.maximum(t - rate * gradient / (t * LN2), SMALLEST))

    return update


def log_sgd(rate):
    return lambda log2, gradient: log2 - rate * gradient


def normed_log_sgd(rate, beta=0.9, epsilon=1e-5):
    """Normalize gradients by their running size and bound them, as in appendix B of the paper."""
    average, step = 0.0, 0

    def update(log2, gradient):
        nonlocal average, step
        average, step = beta * average + (1 - beta) * gradient**2, step + 1
        size = np.sqrt(average / (1 - beta**step))
        return log2 - rate * np.tanh(gradient / (size + epsilon))

    return update


def adam(rate, beta_1=0.9, beta_2=0.999):
    """Let the package's optimizer of thresholds move them."""
    optimizer = ThresholdAdam(rate, beta_1, beta_2)
    variables = []

    @tf.function(autograph=False)
    def apply(gradient):
        optimizer.apply(tf.unstack(gradient), variables)
        return tf.stack([variable.value for variable in variables])

    def update(log2, gradient):
        if not variables:
            variables.extend(keras.Variable(np.float32(value)) for value in log2)
            optimizer.build(variables)
        return np.float64(apply(np.float32(gradient)).numpy())

    return update


def updates(rate):
    """Return the four ways to train a threshold."""
    return {
        "raw SGD": raw_sgd(rate),
        "log SGD": log_sgd(rate),
        "normed log SGD": normed_log_sgd(rate),
        "log Adam": adam(rate),
    }
