"""The quantizer on JAX: on the CPU, operators in C of one pass over memory each way.

On other devices, on several, and without a compiler, `jit` turns each closed form into loops over
memory. Bits are the same.
"""

import contextlib
import functools

import jax
import jax.numpy as jnp
from jax.experimental import multihost_utils
from keras.ops import convert_to_numpy

from keras_alt.numerics import closed_form, jax_cpu, one_pass

SUMMED_AS_PRODUCTS = 2**16  # from this size on


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _fake_quant(x, log2_threshold, exponent, rules):
    return closed_form.forward(x, log2_threshold, *rules, exponent)


def _forward(x, log2_threshold, exponent, rules):
    return _fake_quant(x, log2_threshold, exponent, rules), (x, log2_threshold, exponent)


def _backward(rules, residuals, upstream):
    x, log2_threshold, exponent = residuals
    given = x, log2_threshold, upstream, *rules, exponent
    if log2_threshold.shape or x.size < SUMMED_AS_PRODUCTS:
        return *closed_form.backward(*given), None
    dx, per_element = closed_form.backward_terms(*given)
    shares = _sums_of_columns(per_element)
    return dx, closed_form.threshold_gradient(shares, log2_threshold, rules[0]), None


def _sums_of_columns(terms):
    """Return the sums over all axes but the last; on CPUs as products with ones.

    There, XLA adds term by term, and multiplies by a column of ones term by term, too: the step of
    a ResNet20 took 1.7 and 2.7 times that of the float network without batch norms. With a product
    of eight rows of ones and all columns it took 1.3 times.
    """
    rows = terms.reshape(-1, terms.shape[-1])
    return jax.lax.platform_dependent(
        rows,
        cpu=lambda rows: (jnp.ones((8, rows.shape[0]), rows.dtype) @ rows).sum(axis=0) / 8.0,
        default=lambda rows: rows.sum(axis=0),
    )


_fake_quant.defvjp(_forward, _backward)


def fake_quant(x, log2_threshold, rules, training, exponent):
    if training and jax_cpu.computes() and jax_cpu.channels(x, log2_threshold) is not None:
        return jax_cpu.quantized(x, (log2_threshold,), (rules,), exponent)
    return _fake_quant(x, log2_threshold, exponent, rules)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _lookup(x, exponent, values, slopes, first):
    return closed_form.lookup(x, exponent, values, first)


def _lookup_forward(x, exponent, values, slopes, first):
    return _lookup(x, exponent, values, slopes, first), (x, exponent, slopes)


def _lookup_backward(first, residuals, upstream):
    x, exponent, slopes = residuals
    return upstream * closed_form.lookup(x, exponent, slopes, first), None, None, None


_lookup.defvjp(_lookup_forward, _lookup_backward)


def lookup(x, exponent, values, slopes, first, training):
    return _lookup(x, exponent, values, slopes, first)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _softmax(x, exponent, tables, unit, rules):
    return closed_form.softmax(x, exponent, tables, unit, *rules[:-1])


def _softmax_forward(x, exponent, tables, unit, rules):
    y = _softmax(x, exponent, tables, unit, rules)
    return y, y


def _softmax_backward(rules, y, upstream):
    axis, *_, scale = rules
    return closed_form.softmax_gradient(y, upstream, axis, scale), None, None, None


_softmax.defvjp(_softmax_forward, _softmax_backward)


def softmax(x, exponent, tables, unit, rules, training):
    return _softmax(x, exponent, tuple(tables), unit, rules)


def exponent_of(log2_threshold, format):
    return jax.lax.stop_gradient(closed_form.exponent_of(log2_threshold, format))


def averages_exactly(x, pads=()):
    """Return False: XLA turns quotients into products."""
    return False


def held(value, frozen):
    return closed_form.held(value, frozen)


def fuses_sum(total):
    """Return whether `total` is a float32 tensor that `jit` traces, for the operators."""
    is_traced = isinstance(total, jax.core.Tracer)
    return is_traced and total.dtype == jnp.float32 and jax_cpu.computes()


def fake_quant_sum(x, bias, log2_thresholds, rules, exponent):
    if one_pass.adds(x, bias, log2_thresholds, rules):
        return jax_cpu.quantized(x, log2_thresholds, rules, exponent, bias)
    return one_pass.single_steps(fake_quant, x, bias, log2_thresholds, rules, exponent)


def update_replicas(update, gradients):
    """Call `update(gradients)`; there are no replicas."""
    update(gradients)


def require_trainer():
    """Accept every process: Keras' `fit` trains on those of a strategy or a distribution."""


def all_gather(array):
    """Return the arrays of all processes of `jax.distributed`."""
    if jax.process_count() < 2:
        return [array]
    return multihost_utils.process_allgather(array)


def outside_graph():
    """Return a context in which variables can be created: here, any."""
    return contextlib.nullcontext()


def concrete_value(variable):
    """Return the value of a Keras variable, None while `jit` traces it."""
    value = variable.value
    return None if isinstance(value, jax.core.Tracer) else convert_to_numpy(value)
