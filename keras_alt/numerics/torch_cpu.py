"""The quantizer on tensors of torch in the CPU's memory, by the C functions of `one_pass.c`."""

import ctypes
import functools
import threading

import torch
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from keras_alt.numerics import compiled, one_pass

PLAIN = (torch.Tensor, torch.nn.Parameter)

POINTER, SIZE, INT = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int
ARGUMENTS = {
    "forward": [*[POINTER, POINTER, SIZE, POINTER, SIZE], *[POINTER] * 5, INT],
    "backward": [*[POINTER] * 3, SIZE, *[POINTER] * 2, SIZE, *[POINTER] * 7, INT],
    "forward_channels": [*[POINTER] * 2, *[SIZE] * 3, *[POINTER] * 3],
    "backward_channels": [*[POINTER] * 3, *[SIZE] * 3, *[POINTER] * 4],
}
_LOADING = threading.Lock()


class CRules(ctypes.Structure):
    """`Rules` of `one_pass.c`."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("rounding", "shift")),
        *((name, ctypes.c_float) for name in ("qmin", "qmax", "low", "high", "zero_point")),
    ]


def functions() -> dict | None:
    """Return the C functions by name; None, after a warning, if they cannot be compiled here."""
    with _LOADING:
        return _functions()


@functools.cache
def _functions():
    slow = "The quantizers run as single steps, which makes training on torch about twice as slow"
    return compiled.loaded(compiled.Library("one_pass.c", _declared, slow, openmp=True))


def _declared(path):
    library = ctypes.CDLL(path)
    found = {name: getattr(library, f"keras_alt_{name}") for name in ARGUMENTS}
    for name, function in found.items():
        function.argtypes = ARGUMENTS[name]
        function.restype = None if name.endswith("channels") else INT
    return found


@functools.cache
def _parameters(rules):
    return ctypes.byref(CRules(*one_pass.fields(rules)))


def computes(x, *parameters) -> bool:
    """Return whether the C functions can read these tensors, and nothing records operations."""
    tensors = [x, *(parameter for parameter in parameters if parameter is not None)]
    return (
        not is_recorded()
        and all(map(_is_in_memory, tensors))
        and x.dtype == torch.float32
        and x.numel() > 0
        and functions() is not None
    )


def _is_in_memory(x):
    return type(x) in PLAIN and x.device.type == "cpu" and not is_functorch_wrapped_tensor(x)


def is_recorded() -> bool:
    """Return whether a graph is made of operations: by `torch.compile`, tracing or export."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or is_in_torch_dispatch_mode()


def channels(x, log2_threshold) -> tuple[int, ...] | None:
    """Return the split of `one_pass.channels`."""
    shape = log2_threshold.shape
    return one_pass.channels(tuple(x.shape), tuple(shape)) if shape else ()


def adds(x, bias, log2_thresholds, rules) -> bool:
    """Return whether the C functions compute a sum and its quantizers."""
    return computes(x, bias, *log2_thresholds) and one_pass.adds(x, bias, log2_thresholds, rules)


def laid_out(x, by_rows: bool):
    """Return `x` without gaps in memory; in any order of its axes unless it is read by rows."""
    if x.is_contiguous() or (not by_rows and torch.empty_like(x).stride() == x.stride()):
        return x
    return x.contiguous()


def forward(x, log2_thresholds, rules, exponent, bias=None):
    """Return `closed_form.forward`, or `sum_forward` with a bias.

    Args:
        x: laid out, by rows if there are channels or a bias.
        log2_thresholds, rules: of the quantizer and, if there is one, of the accumulator.
    """
    y = torch.empty_like(x)
    each = list(zip(map(_parameters, rules), map(_at, log2_thresholds), strict=True))
    if split := channels(x, log2_thresholds[0]):
        function = functions()["forward_channels"]
        function(_at(x), _at(y), *split, *each[0], _at(exponent))
        return y
    accumulator = each[1] if len(each) > 1 else (None, None)
    tensors = _at(x), _at(y), x.numel(), _at(bias), _count(bias)
    _run("forward", *tensors, *each[0], _at(exponent), *accumulator)
    return y


def backward(x, bias, log2_thresholds, upstream, rules, exponent=None):
    """Return the gradients of `x`, of the bias, None without one, and of each threshold."""
    upstream = _aligned(upstream, x)
    dx, dbias = torch.empty_like(x), None if bias is None else torch.empty_like(bias)
    gradients = [torch.empty_like(log2_threshold) for log2_threshold in log2_thresholds]
    each = list(zip(map(_parameters, rules), map(_at, log2_thresholds), strict=True))
    if split := channels(x, log2_thresholds[0]):
        function = functions()["backward_channels"]
        pointers = _at(x), _at(upstream), _at(dx)
        function(*pointers, *split, *each[0], _at(exponent), _at(gradients[0]))
        return dx, None, *gradients
    accumulator = (*each[1], _at(gradients[1])) if len(each) > 1 else (None, None, None)
    tensors = _at(x), _at(upstream), _at(dx), x.numel(), _at(bias), _at(dbias), _count(bias)
    _run("backward", *tensors, *each[0], _at(exponent), _at(gradients[0]), *accumulator)
    return dx, dbias, *gradients


def _aligned(upstream, x):
    """Return `upstream` in the order of `x` in memory."""
    if (upstream.is_contiguous() and x.is_contiguous()) or upstream.stride() == x.stride():
        return upstream
    return torch.empty_like(x).copy_(upstream)


def _at(tensor):
    return None if tensor is None else tensor.data_ptr()


def _count(bias):
    return 1 if bias is None else bias.numel()


def _run(name, *arguments):
    if functions()[name](*arguments, torch.get_num_threads()):
        raise MemoryError("The quantizer found no memory for the sums of its gradients.")
