"""The quantizer on TensorFlow: on CPUs, operators in C of one pass over memory each way.

On other devices, in graphs that XLA compiles and without a compiler, XLA turns each closed form
into loops over memory. Bits are the same.
"""

import functools
import math

import tensorflow as tf

from keras_alt.numerics import closed_form, one_pass, tensorflow_cpu
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

# XLA adds up this many parts of a tensor, and TensorFlow adds up what is left.
PARTS = 8


def fake_quant(x, log2_threshold, rules, training, exponent):
    parameters = log2_threshold, *_given(exponent)
    if not training:
        return _plain(*rules)(x, *parameters)
    if tensorflow_cpu.computes() and tensorflow_cpu.channels(x, log2_threshold) is not None:
        return tensorflow_cpu.quantized(x, (log2_threshold,), (rules,), exponent)
    shape = tuple(log2_threshold.shape)
    if shape or _is_small(x):  # thresholds of channels belong to kernels, which are small
        return _called(shape, *rules)(x, *parameters)
    return _compiled(_parts(x.shape), *rules)(x, *parameters)


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


def exponent_of(log2_threshold, format):
    return tf.stop_gradient(closed_form.exponent_of(log2_threshold, format))


def averages_exactly(x, pads=()):
    """Return whether CPUs compute this, and not by XLA, which turns quotients into products."""
    return tensorflow_cpu.has_only_cpus() and not tensorflow_cpu.is_compiled_by_xla()


def held(value, frozen):
    return closed_form.held(value, frozen)


def fuses_sum(total):
    """Return whether `total` is a float32 tensor of a graph, and large if XLA must compile it.

    Other types are rounded between the single steps, and an eager sum is computed already.
    """
    if tf.executing_eagerly() or total.dtype != tf.float32:
        return False
    return tensorflow_cpu.computes() or not _is_small(total)


def fake_quant_sum(x, bias, log2_thresholds, rules, exponent):
    if tensorflow_cpu.computes() and one_pass.adds(x, bias, log2_thresholds, rules):
        return tensorflow_cpu.quantized(x, log2_thresholds, rules, exponent, bias)
    if _is_small(x):
        return one_pass.single_steps(fake_quant, x, bias, log2_thresholds, rules, exponent)
    parts, row_parts = _parts(x.shape), _parts(x.shape[:-1])
    compiled = _compiled_sum(parts, row_parts, rules)
    return compiled(x, bias, *log2_thresholds, *_given(exponent))


def _is_small(x):
    return math.prod(size or USUAL_SIZE for size in x.shape) < COMPILED_SIZE


def _parts(shape):
    return math.gcd(math.prod(size for size in shape if size is not None), PARTS)


def _added_up(shares, parts):
    """Return the sum of the `parts` equal parts of a tensor, one behind the other in memory.

    The loop reads all parts at once, and each with its full width. For 3.5 million values it took
    4 ms with 8 parts. It took 12 ms with 32 parts, or with sums of 32 neighbours.
    """
    return tf.reduce_sum(tf.reshape(shares, [parts, -1]), axis=0)


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
def _compiled(parts, *rules):
    """Return the differentiable quantizer in compiled loops, for sizes divisible by `parts`.

    XLA's own sum over all values adds them one by one, which is slow and loses digits.
    """

    given = [TENSOR, SCALAR, *_exponents(rules[1])]

    @function(input_signature=given, jit_compile=True)
    def forward(x, log2_threshold, *exponent):
        return closed_form.forward(x, log2_threshold, *rules, *exponent)

    @function(input_signature=[*given, TENSOR], jit_compile=True)
    def backward_terms(x, log2_threshold, *others):
        *exponent, upstream = others
        dx, shares = closed_form.backward_terms(x, log2_threshold, upstream, *rules, *exponent)
        return dx, _added_up(shares, parts)

    @function(input_signature=[*given, TENSOR])
    def backward(x, log2_threshold, *others):
        dx, shares = backward_terms(x, log2_threshold, *others)
        return dx, closed_form.threshold_gradient(shares, log2_threshold, rules[0])

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
def _compiled_sum(parts, row_parts, rules):
    """Return `activation(accumulator(x) + bias)`, differentiable, in compiled loops.

    Only `x` is kept for the backward pass. Its size is divisible by `parts`, and the number of its
    rows, which the bias is added to, by `row_parts`.
    """
    count = len(rules)
    scalars = [*[SCALAR] * count, *_exponents(rules[0][1])]

    @function(input_signature=[TENSOR, VECTOR, *scalars], jit_compile=True)
    def forward(x, bias, *others):
        return closed_form.sum_forward(x, bias, others[:count], rules, *others[count:])

    @function(input_signature=[TENSOR, VECTOR, *scalars, TENSOR], jit_compile=True)
    def backward_terms(x, bias, *others):
        *parameters, upstream = others
        thresholds, exponent = parameters[:count], parameters[count:]
        dx, dsum, shares = closed_form.sum_backward_terms(
            x, bias, thresholds, upstream, rules, *exponent
        )
        dsum = () if dx is dsum else (_added_up(dsum, row_parts),)  # an output costs its writing
        return dx, *dsum, *[_added_up(each, parts) for each in shares]

    @function(input_signature=[TENSOR, VECTOR, *scalars, TENSOR])
    def backward(x, bias, *others):
        results = backward_terms(x, bias, *others)
        of_sums, of_shares = results[:-count], results[-count:]
        of_thresholds = (
            closed_form.threshold_gradient(shares, log2_threshold, steps[0])
            for shares, log2_threshold, steps in zip(of_shares, others[:count], rules, strict=True)
        )
        return of_sums[0], _column_sums(of_sums[-1], tf.size(bias)), *of_thresholds

    return _differentiable(forward, backward)


def _column_sums(x, columns):
    """Return the sums over all axes but the last, by a matrix product.

    For 3.5 million values this took 2.4 ms, and XLA's sum 6 ms.
    """
    rows = tf.reshape(x, [-1, columns])
    return tf.reshape(tf.linalg.matmul(tf.ones([1, tf.shape(rows)[0]]), rows), [-1])


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


def require_trainer():
    """Accept every process: Keras' `fit` trains on those of a strategy or a distribution."""


def all_gather(array):
    """Return the arrays of all workers of the strategy in whose scope this is called."""
    strategy = tf.distribute.get_strategy()
    resolver = getattr(strategy, "cluster_resolver", None)
    hosts = resolver.cluster_spec().as_dict() if resolver else {}
    workers = len(hosts.get("chief", [])) + len(hosts.get("worker", []))
    if workers < 2:
        return [array]
    return tf.split(strategy.gather(tf.constant(array), axis=0), workers)


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
