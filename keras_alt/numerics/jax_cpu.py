"""The quantizer on JAX's CPU, by the operators of `one_pass_jax.c`."""

import ctypes
import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np

from keras_alt.numerics import closed_form, compiled, one_pass

NAMES = ("keras_alt_quantize", "keras_alt_quantize_gradient")
# Results do not depend on how many samples `vmap` maps over.
CALL = {"vmap_method": "sequential"}
_LOADING = threading.Lock()


def operators():
    """Return the library of both operators; None, after a warning, if there is no compiler."""
    with _LOADING:
        return _operators()


@functools.cache
def _operators():
    library = compiled.Library(
        "one_pass_jax.c",
        _registered,
        "Training on JAX takes up to 1.2 times as long",
        compile_flags=(f"-I{jax.ffi.include_dir()}", f"-DJAX={jax.__version__}", "-pthread"),
        link_flags=("-pthread",),
    )
    return compiled.loaded(library)


def _registered(path):
    library = ctypes.CDLL(path)
    try:
        for name in NAMES:
            handler = jax.ffi.pycapsule(getattr(library, name))
            jax.ffi.register_ffi_target(name, handler, platform="cpu")
    except jax.errors.JaxRuntimeError as error:  # as of a second library: names are taken
        raise OSError(f"{path} has registered no operators: {error}") from error
    return library


def computes() -> bool:
    """Return whether the operators run on the device of this process, which is its only one.

    XLA divides its own operators among several devices. It would send whole tensors for these.
    """
    return jax.default_backend() == "cpu" and jax.device_count() == 1 and operators() is not None


def channels(x, log2_threshold) -> tuple[int, ...] | None:
    """Return the split of `one_pass.channels`."""
    return one_pass.channels(tuple(x.shape), tuple(log2_threshold.shape))


def quantized(x, log2_thresholds, rules, exponent, bias=None):
    """Return `closed_form.forward`, or `sum_forward` with a bias, differentiable.

    Args:
        log2_thresholds, rules: of the quantizer and, if there is one, of the accumulator.
    """
    inner = (channels(x, log2_thresholds[0]) or (0,))[-1]
    steps = _steps(tuple(rules), bias is not None, exponent is not None, inner, one_pass.threads())
    none = jnp.zeros(0, "float32")
    bias, exponent = (none if given is None else given for given in (bias, exponent))
    return steps(x, bias, exponent, *log2_thresholds)


@functools.cache
def _steps(rules, has_bias, has_exponent, inner, threads):
    """Return the quantizer, which is differentiable twice: the second time in plain operations."""
    fields = [float(field) for each in rules for field in one_pass.fields(each)]
    attributes = {
        "inner": np.int32(inner),
        "threads": np.int32(threads),
        "rules": np.array(fields, "float32"),
    }
    upstream_of, dx_of = 3 + len(rules), 0

    @jax.custom_vjp
    def forward(*inputs):
        (y,) = jax.ffi.ffi_call(NAMES[0], _like(inputs[:1]), **CALL)(*inputs, **attributes)
        return y

    def gradient(inputs, upstream):
        dx, dbias, *of_thresholds = backward(*inputs, upstream)
        return dx, dbias, jnp.zeros_like(inputs[2]), *of_thresholds

    @jax.custom_vjp
    def backward(x, bias, exponent, *others):
        given = x, bias, exponent, *others
        # `dx` takes over the memory of `upstream`, unless somebody else needs it.
        aliases = {"input_output_aliases": {upstream_of: dx_of}}
        results = _like((x, bias, *others[:-1]))
        return jax.ffi.ffi_call(NAMES[1], results, **aliases, **CALL)(*given, **attributes)

    def plain(x, bias, exponent, *others):
        *log2_thresholds, upstream = others
        given = bias if has_bias else None, exponent if has_exponent else None
        dx, dbias, *of_thresholds = closed_form.gradients(
            x, given[0], log2_thresholds, upstream, rules, given[1]
        )
        return [dx, bias if dbias is None else dbias, *of_thresholds]

    def second(given, upstreams):
        return jax.vjp(plain, *given)[1](list(upstreams))

    forward.defvjp(lambda *inputs: (forward(*inputs), inputs), gradient)
    backward.defvjp(lambda *given: (backward(*given), given), second)
    return forward


def _like(arrays):
    return [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]
