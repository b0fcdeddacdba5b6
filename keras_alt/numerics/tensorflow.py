"""The quantizer on TensorFlow, where XLA turns each closed form into one loop over memory."""

import functools
import math

import tensorflow as tf

from keras_alt.numerics import closed_form
from keras_alt.numerics.rounding import STEPPED

# XLA compiles once for each shape, which does not pay off for smaller tensors. The 53 kernels of a
# MobileNetV2 took as long compiled, and the first step took 2 to 4 s longer.
COMPILED_SIZE = 2**16
# An unknown size, such as that of the batch, counts as this one.
USUAL_SIZE = 32

# A function is traced once for all shapes, and a graph has one node for it instead of dozens: the
# first training step of a ResNet20 took 17 s instead of 21 s.
function = functools.partial(tf.function, autograph=False)
TENSOR, VECTOR, SCALAR = tf.TensorSpec(None), tf.TensorSpec([None]), tf.TensorSpec([])

# On the CPU, XLA unrolls inner sums of up to 32 terms and adds longer ones one by one.
UNROLLED = 32


def fake_quant(x, log2_threshold, rules, training, exponent):
    parameters = log2_threshold, *_given(exponent)
    if not training:
        return _plain(*rules)(x, *parameters)
    shape = tuple(log2_threshold.shape)
    if shape or _is_small(x):  # thresholds of channels belong to kernels, which are small
        return _called(shape, *rules)(x, *parameters)
    return _compiled(_group(x), *rules)(x, *parameters)


def _given(exponent):
    return () if exponent is None else (exponent,)


def _exponents(rounding):
    """Return the specification of the exponents that a function with a rounding takes."""
    return [SCALAR] if rounding in STEPPED else []


def lookup(x, exponent, values, slopes, first, training):
    compiled = training and not _is_small(x)
    y = _looked_up(first, compiled)(x, exponent, values, slopes)
    y.set_shape(x.shape)
    return y


def softmax(x, exponent, tables, unit, rules, training):
    compiled = training and not _is_small(x)
    y = _softmax(rules, compiled)(x, exponent, *tables, unit)
    y.set_shape(x.shape)
    return y


def held(value, frozen):
    return closed_form.held(value, frozen)


def fuses_sum(total):
    """Return whether `total` is a large float32 tensor of a graph.

    Other types are rounded between the single steps, and an eager sum is computed already.
    """
    return not tf.executing_eagerly() and total.dtype == tf.float32 and not _is_small(total)


def fake_quant_sum(x, bias, log2_thresholds, rules, exponent):
    return _compiled_sum(_group(x), rules)(x, bias, *log2_thresholds, *_given(exponent))


def _is_small(x):
    return math.prod(size or USUAL_SIZE for size in x.shape) < COMPILED_SIZE


def _group(x):
    return math.gcd(math.prod(size for size in x.shape if size is not None), UNROLLED)


def _ways(rules):
    """Return forward and backward in plain operations."""

    def forward(x, log2_threshold, *exponent):
        return closed_form.forward(x, log2_threshold, *rules, *exponent)

    def backward(x, log2_threshold, *others):
        *exponent, upstream = others
        return closed_form.backward(x, log2_threshold, upstream, *rules, *exponent)

    return forward, backward


@functools.cache
def _plain(*rules):
    """Return the differentiable quantizer in plain operations, for exported graphs."""
    return _differentiable(*_ways(rules))


@functools.cache
def _called(shape, *rules):
    """Return the differentiable quantizer as two functions of plain operations.

    Args:
        shape: of the threshold; its gradient is a sum over the axes of size 1.
    """
    forward, backward = _ways(rules)
    given = [TENSOR, tf.TensorSpec(shape), *_exponents(rules[1])]
    return _differentiable(
        function(forward, input_signature=given),
        function(backward, input_signature=[*given, TENSOR]),
    )


@functools.cache
def _compiled(group, *rules):
    """Return the differentiable quantizer in compiled loops, for sizes divisible by `group`.

    XLA adds up groups of neighbours, and TensorFlow adds up the groups. For 3.5 million values the
    backward pass took 3.0 ms; it took 3.6 ms with the whole sum in TensorFlow, and 3.9 ms in XLA,
    whose sequential additions also lose digits. The tensor is flattened first, which is free inside
    the loops: groups across the dimensions of an unflattened tensor cost more than they save.
    """

    given = [TENSOR, SCALAR, *_exponents(rules[1])]

    @function(input_signature=given, jit_compile=True)
    def forward(x, log2_threshold, *exponent):
        return closed_form.forward(x, log2_threshold, *rules, *exponent)

    @function(input_signature=[*given, TENSOR], jit_compile=True)
    def backward_terms(x, log2_threshold, *others):
        *exponent, upstream = others
        flat = tf.reshape(x, [-1]), log2_threshold, tf.reshape(upstream, [-1])
        dx, per_element = closed_form.backward_terms(*flat, *rules, *exponent)
        per_group = tf.reduce_sum(tf.reshape(per_element, [-1, group]), axis=1)
        return tf.reshape(dx, tf.shape(x)), per_group

    @function(input_signature=[*given, TENSOR])
    def backward(x, log2_threshold, *others):
        dx, per_group = backward_terms(x, log2_threshold, *others)
        return dx, closed_form.threshold_gradient(per_group, log2_threshold, rules[0])

    return _differentiable(forward, backward)


def _differentiable(forward, backward):
    """Join both ways and restore the shapes, which a function traced for every rank loses.

    `backward` returns the gradients of `x` and of the first parameters. Others have none.
    """

    @tf.custom_gradient
    def fake_quant(x, *parameters):
        def gradient(upstream):
            gradients = backward(x, *parameters, upstream)
            for value, of in zip(gradients, (x, *parameters), strict=False):
                value.set_shape(of.shape)
            return *gradients, *[None] * (1 + len(parameters) - len(gradients))

        y = forward(x, *parameters)
        y.set_shape(x.shape)
        return y, gradient

    return fake_quant


@functools.cache
def _looked_up(first, compiled):
    """Return the differentiable lookup.

    For 6.4 million values, TensorFlow's own kernel took 45 ms, and the compiled loop 6 ms.
    """

    def plain(x, exponent, table):
        return closed_form.lookup(x, exponent, table, first)

    @function(input_signature=[TENSOR, SCALAR, VECTOR], jit_compile=True)
    def forward(x, exponent, table):
        return plain(x, exponent, table)

    @function(input_signature=[TENSOR, SCALAR, VECTOR, TENSOR], jit_compile=True)
    def backward(x, exponent, slopes, upstream):
        return upstream * plain(x, exponent, slopes)

    @tf.custom_gradient
    def lookup(x, exponent, values, slopes):
        def gradient(upstream):
            if compiled:
                dx = backward(x, exponent, slopes, upstream)
            else:
                dx = upstream * plain(x, exponent, slopes)
            dx.set_shape(x.shape)
            return dx, None, None, None

        return (forward if compiled else plain)(x, exponent, values), gradient

    return lookup


@functools.cache
def _softmax(rules, compiled):
    """Return the differentiable softmax; TensorFlow reduces rows, and XLA compiles what is between.

    For 5 million values, forward took 60 ms, and 170 ms with reductions and division in XLA.
    """
    axis, *bits, scale = rules

    def shares(x, top, exponent, table, total, unit):
        return closed_form.softmax_shares(x, top, exponent, table, total, unit, *bits)

    terms = closed_form.softmax_terms
    if compiled:
        terms, shares = (function(part, jit_compile=True) for part in (terms, shares))

    @tf.custom_gradient
    def softmax(x, exponent, table, fine, unit):
        def gradient(upstream):
            dx = closed_form.softmax_gradient(y, upstream, axis, scale)
            return dx, None, None, None, None

        top = tf.reduce_max(x, axis=axis, keepdims=True)
        total = tf.reduce_sum(terms(x, top, exponent, fine), axis=axis, keepdims=True)
        y = shares(x, top, exponent, table, total, unit)
        return y, gradient

    return softmax


@functools.cache
def _compiled_sum(group, rules):
    """Return `activation(accumulator(x) + bias)`, differentiable, in one loop each way.

    Only `x` is kept for the backward pass. The gradient of the bias is a column sum; TensorFlow's
    own kernel for it took 8 to 15 % of a training step.
    """
    count = len(rules)
    scalars = [*[SCALAR] * count, *_exponents(rules[0][1])]

    @function(input_signature=[TENSOR, VECTOR, *scalars], jit_compile=True)
    def forward(x, bias, *others):
        return closed_form.sum_forward(x, bias, others[:count], rules, *others[count:])

    @function(input_signature=[TENSOR, VECTOR, *scalars, TENSOR], jit_compile=True)
    def backward_terms(x, bias, *others):
        *parameters, upstream = others
        rows = [-1, tf.size(bias)]
        dx, dsum, shares = closed_form.sum_backward_terms(
            tf.reshape(x, rows),
            bias,
            parameters[:count],
            tf.reshape(upstream, rows),
            rules,
            *parameters[count:],
        )
        groups = [tf.reduce_sum(tf.reshape(share, [-1, group]), axis=1) for share in shares]
        return tf.reshape(dx, tf.shape(x)), tf.reduce_sum(dsum, axis=0), *groups

    @function(input_signature=[TENSOR, VECTOR, *scalars, TENSOR])
    def backward(x, bias, *others):
        dx, dbias, *groups = backward_terms(x, bias, *others)
        of_thresholds = (
            closed_form.threshold_gradient(shares, log2_threshold, steps[0])
            for shares, log2_threshold, steps in zip(groups, others[:count], rules, strict=True)
        )
        return dx, dbias, *of_thresholds

    return _differentiable(forward, backward)


def update_replicas(update, gradients):
    """Call `update` once for all replicas of a distribution strategy, with the sums of gradients.

    A replica must not assign to a variable that others have too.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        update(gradients)
        return

    def merged(strategy, *gradients):
        update([strategy.reduce(tf.distribute.ReduceOp.SUM, g, axis=None) for g in gradients])

    context.merge_call(merged, args=tuple(gradients))


def outside_graph():
    """Return a context in which variables are eager, also while a graph is being traced."""
    return tf.init_scope()


def concrete_value(variable):
    """Return the value of a Keras variable, also while a graph is being traced.

    A variable that is created in this graph has no value yet; then the result is None.
    """
    with outside_graph():
        value = variable.value.numpy()
    return value if value.shape == tuple(variable.shape) else None
