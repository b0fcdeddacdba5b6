"""The quantizer on torch: on the CPU, C functions of one pass over memory each way.

On other devices, in compiled graphs and without a compiler, it is the closed form in single steps.
Bits are the same, and both keep only `x`, the bias and thresholds for the backward pass.
"""

import contextlib

import torch
from keras.ops import convert_to_numpy

from keras_alt.numerics import closed_form, one_pass, torch_cpu


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


class _OnePass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bias, exponent, rules, *log2_thresholds):
        ctx.save_for_backward(x, bias, exponent, *log2_thresholds)
        ctx.rules = rules
        return torch_cpu.forward(x, log2_thresholds, rules, exponent, bias)

    @staticmethod
    def backward(ctx, upstream):
        x, bias, exponent, *log2_thresholds = ctx.saved_tensors
        # A gradient that is to be differentiated consists of operations of torch.
        gradients = closed_form.gradients if torch.is_grad_enabled() else torch_cpu.backward
        given = x, bias, log2_thresholds, upstream, ctx.rules, exponent
        dx, dbias, *dlog2_thresholds = gradients(*given)
        return dx, dbias, None, None, *dlog2_thresholds


def fake_quant(x, log2_threshold, rules, training, exponent):
    computes = torch_cpu.computes(x, log2_threshold, exponent)
    split = torch_cpu.channels(x, log2_threshold) if computes else None
    if split is not None:
        x = torch_cpu.laid_out(x, by_rows=bool(split))
        log2_threshold = log2_threshold.contiguous()
        if torch.is_grad_enabled():
            return _OnePass.apply(x, None, exponent, (rules,), log2_threshold)
        return torch_cpu.forward(x, (log2_threshold,), (rules,), exponent)
    if torch.is_grad_enabled():
        return _FakeQuant.apply(x, log2_threshold, rules, exponent)
    return closed_form.forward(x, log2_threshold, *rules, exponent)


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


def exponent_of(log2_threshold, format):
    # The operators of Keras took three times as long, a twentieth of the step of a ResNet20.
    return torch.ceil(log2_threshold.detach()) - (format.bits - int(format.signed))


def averages_exactly(x, pads=()):
    """Return whether `x` is on a CPU, because others multiply by a reciprocal, and padded evenly.

    With uneven padding, Keras repeats values of the border and counts them.
    """
    return x.device.type in ("cpu", "meta") and all(before == after for before, after in pads)


def held(value, frozen):
    # A graph must hold for either, and to read a value waits for the device.
    is_trained = frozen.device.type == "cpu" and not torch_cpu.is_recorded() and not frozen
    return value if is_trained else closed_form.held(value, frozen)


def fuses_sum(total):
    return torch_cpu.computes(total)


def fake_quant_sum(x, bias, log2_thresholds, rules, exponent):
    if not torch_cpu.adds(x, bias, log2_thresholds, rules):
        return one_pass.single_steps(fake_quant, x, bias, log2_thresholds, rules, exponent)
    x = torch_cpu.laid_out(x, by_rows=True)
    return _OnePass.apply(x, bias.contiguous(), exponent, rules, *log2_thresholds)


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
    sent = torch.from_numpy(array).to(_exchanged_on(torch.distributed.get_backend_config()))
    rows = [torch.empty_like(sent) for _ in range(_processes())]
    torch.distributed.all_gather(rows, sent)
    return [row.cpu() for row in rows]


def _exchanged_on(backends):
    """Return the device whose tensors a process group exchanges: the CPU if it does, as gloo.

    Args:
        backends: by device, such as "cpu:gloo,cuda:nccl". nccl alone has "cuda:nccl", and a process
            exchanges on the GPU that it has chosen by `torch.cuda.set_device`.
    """
    devices = [backend.partition(":")[0] for backend in backends.split(",")]
    return "cpu" if "cpu" in devices else devices[0]


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
