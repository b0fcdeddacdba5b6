"""The quantizer on torch, which keeps only `x` and the threshold for the backward pass."""

import contextlib

import torch
from keras.ops import convert_to_numpy

from keras_alt.numerics import closed_form


class _FakeQuant(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, log2_threshold, rules, exponent):
        ctx.save_for_backward(x, log2_threshold)
        ctx.rules = *rules, exponent
        return closed_form.forward(x, log2_threshold, *ctx.rules)

    @staticmethod
    def backward(ctx, upstream):
        x, log2_threshold = ctx.saved_tensors
        dx, dlog2_threshold = closed_form.backward(x, log2_threshold, upstream, *ctx.rules)
        return dx, dlog2_threshold, None, None


def fake_quant(x, log2_threshold, rules, training, exponent):
    if not torch.is_grad_enabled():
        return closed_form.forward(x, log2_threshold, *rules, exponent)
    return _FakeQuant.apply(x, log2_threshold, rules, exponent)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, exponent, values, slopes, first):
        ctx.save_for_backward(x, exponent, slopes)
        ctx.first = first
        return closed_form.lookup(x, exponent, values, first)

    @staticmethod
    def backward(ctx, upstream):
        x, exponent, slopes = ctx.saved_tensors
        dx = upstream * closed_form.lookup(x, exponent, slopes, ctx.first)
        return dx, None, None, None, None


def lookup(x, exponent, values, slopes, first, training):
    return _Lookup.apply(x, exponent, values, slopes, first)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, exponent, tables, unit, rules):
        y = closed_form.softmax(x, exponent, tables, unit, *rules[:-1])
        ctx.save_for_backward(y)
        ctx.rules = rules
        return y

    @staticmethod
    def backward(ctx, upstream):
        (y,), (axis, *_, scale) = ctx.saved_tensors, ctx.rules
        dx = closed_form.softmax_gradient(y, upstream, axis, scale)
        return dx, None, None, None, None


def softmax(x, exponent, tables, unit, rules, training):
    return _Softmax.apply(x, exponent, tables, unit, rules)


def fuses_sum(total):
    """Return False: nothing compiles the single steps into one pass."""
    return False


def update_replicas(update, gradients):
    """Call `update(gradients)`; there are no replicas."""
    update(gradients)


def require_trainer():
    """Raise an error in a group of processes: Keras' `fit` would train each of them alone."""
    if _processes() > 1:
        raise NotImplementedError(
            "On torch, `fit` trains each process alone, and their weights drift apart. Wrap the "
            "model in `torch.nn.parallel.DistributedDataParallel` and train it in a loop, as the "
            "guide on distribution shows; or call `fit` in a process without a process group. "
            f"Received: a process group of {_processes()}"
        )


def all_gather(array):
    """Return the arrays of all processes of the process group."""
    if _processes() < 2:
        return [array]
    rows = [torch.empty(array.shape, dtype=torch.int32) for _ in range(_processes())]
    torch.distributed.all_gather(rows, torch.from_numpy(array))
    return rows


def _processes():
    distributed = torch.distributed
    connected = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if connected else 1


def outside_graph():
    """Return a context in which variables can be created: here, any."""
    return contextlib.nullcontext()


def concrete_value(variable):
    """Return the value of a Keras variable."""
    return convert_to_numpy(variable.value)
