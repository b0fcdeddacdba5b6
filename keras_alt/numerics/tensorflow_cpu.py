"""The quantizer on TensorFlow's CPUs, by the operators of `one_pass_tensorflow.c`."""

import functools
import threading

import tensorflow as tf

from keras_alt.formats import FixedPoint
from keras_alt.numerics import closed_form, compiled, one_pass

try:
    from tensorflow.python.ops import control_flow_util
except ImportError:
    control_flow_util = None

# Whether XLA compiles a graph that is being traced, which no public function tells. A TensorFlow
# without this one gets the loops of XLA: they run in every graph, the operators not in these.
_is_compiled_graph = getattr(control_flow_util, "GraphOrParentsInXlaContext", lambda graph: True)
_LOADING = threading.Lock()


def operators():
    """Return the module of both operators; None, after a warning, if there is no compiler."""
    with _LOADING:
        return _operators()


@functools.cache
def _operators():
    library = compiled.Library(
        "one_pass_tensorflow.c",
        _opened,
        "Training on TensorFlow takes 1.3 to 1.6 times as long",
        # The source does not use the version, but the name of the kept library depends on it.
        compile_flags=(f"-I{tf.sysconfig.get_include()}", f"-DTF={tf.__version__}", "-pthread"),
        link_flags=("-pthread", *tf.sysconfig.get_link_flags()),
    )
    return compiled.loaded(library)


def _opened(path):
    try:
        module = tf.load_op_library(path)
        _try(module)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
    except AttributeError as error:  # as of a second library: its operators have the same names
        raise OSError(f"{path} has registered no operators: {error}") from error
    return module


def _try(module):
    """Call an operator, because only that tells whether it and its kernel were registered."""
    fields = [float(field) for field in one_pass.fields((FixedPoint(8), "half_even", None))]
    attributes = {"inner": 0, "threads": 1, "rules": fields}
    with tf.init_scope(), tf.device("CPU"):
        nothing, one = tf.zeros([0]), tf.zeros([1])
        inputs = {"x": one, "bias": nothing, "exponent": nothing, "log2_thresholds": [one]}
        y = module.keras_alt_quantize(**inputs, **attributes)
        module.keras_alt_quantize_gradient(**inputs, upstream=y, **attributes)


def computes() -> bool:
    """Return whether the operators run where this graph or step runs: on CPUs, and not in XLA."""
    return has_only_cpus() and not is_compiled_by_xla() and operators() is not None


def has_only_cpus():
    """Return whether TensorFlow sees no other devices."""
    return all(device.device_type == "CPU" for device in tf.config.get_visible_devices())


def is_compiled_by_xla():
    """Return whether XLA compiles what is being traced, as with `jit_compile=True`."""
    return not tf.executing_eagerly() and _is_compiled_graph(tf.compat.v1.get_default_graph())


def channels(x, log2_threshold) -> tuple[int, ...] | None:
    """Return the split of `one_pass.channels`."""
    if log2_threshold.shape.rank == 0:
        return ()
    if x.shape.rank is None:
        return None
    return one_pass.channels(tuple(x.shape), tuple(log2_threshold.shape))


def quantized(x, log2_thresholds, rules, exponent, bias=None):
    """Return `closed_form.forward`, or `sum_forward` with a bias, differentiable.

    Args:
        log2_thresholds, rules: of the quantizer and, if there is one, of the accumulator.
    """
    inner = (channels(x, log2_thresholds[0]) or (0,))[-1]
    steps = _steps(tuple(rules), bias is not None, exponent is not None, inner, _threads())
    none = tf.zeros([0])
    bias, exponent = (none if given is None else given for given in (bias, exponent))
    return steps(x, bias, exponent, *log2_thresholds)


def _threads():
    return tf.config.threading.get_intra_op_parallelism_threads() or one_pass.threads()


@functools.cache
def _steps(rules, has_bias, has_exponent, inner, threads):
    """Return the quantizer, which is differentiable twice: the second time in plain operations."""
    fields = [float(field) for each in rules for field in one_pass.fields(each)]
    attributes = {"inner": inner, "threads": threads, "rules": fields}

    def named(*given):
        # In eager mode, tapes and forward accumulators would look for the operator's own gradient.
        if tf.executing_eagerly():
            given = [tf.stop_gradient(each) for each in given]
        x, bias, exponent, *log2_thresholds = given
        given = {"x": x, "bias": bias, "exponent": exponent}
        return given | {"log2_thresholds": log2_thresholds} | attributes

    def plain(x, bias, exponent, *others):
        *log2_thresholds, upstream = others
        bias, exponent = bias if has_bias else None, exponent if has_exponent else None
        return closed_form.gradients(x, bias, log2_thresholds, upstream, rules, exponent)

    of_gradients = _differentiated(plain)

    @tf.custom_gradient
    def backward(*given):
        *inputs, upstream = given
        if tf.executing_eagerly():
            upstream = tf.stop_gradient(upstream)
        gradients = operators().keras_alt_quantize_gradient(**named(*inputs), upstream=upstream)
        results = gradients.dx, gradients.dbias, *gradients.dlog2_thresholds
        results = _shaped(results, (*inputs[:2], *inputs[3:]))
        return results, lambda *upstreams: of_gradients(given, upstreams)

    @tf.custom_gradient
    def forward(*inputs):
        def gradient(upstream):
            dx, dbias, *of_thresholds = backward(*inputs, upstream)
            return dx, dbias, None, *of_thresholds

        (y,) = _shaped([operators().keras_alt_quantize(**named(*inputs))], inputs[:1])
        return y, gradient

    return forward


def _shaped(results, of):
    """Restore the shapes, which a graph does not know of these operators' results."""
    for result, tensor in zip(results, of, strict=True):
        result.set_shape(tensor.shape)
    return results


def _differentiated(function):
    """Return the function of inputs and upstream gradients that gives gradients of the inputs.

    It is a graph, because a forward accumulator lets no tape record what gradients compute.
    """

    @functools.partial(tf.function, autograph=False)
    def gradients(given, upstreams):
        results = zip(function(*given), upstreams, strict=True)
        results, upstreams = zip(*(pair for pair in results if pair[0] is not None), strict=True)
        return tf.gradients(list(results), list(given), list(upstreams))

    return gradients
