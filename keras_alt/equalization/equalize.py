"""Equalization of a float model."""

import functools

import keras
import numpy as np
from keras import ops

from keras_alt.activations import relu_max
from keras_alt.calibration.batches import read_batches
from keras_alt.calibration.values import values_of
from keras_alt.equalization.channels import FIXED, ChannelClasses, is_capped_relu
from keras_alt.equalization.kernels import as_groups, from_groups
from keras_alt.equalization.noise import ACTIVATION_WEIGHT, NEGLIGIBLE, Kernel, Side
from keras_alt.equalization.search import best_shifts
from keras_alt.graph import Graph, call_and_fill, functional, replaced, rewrite
from keras_alt.layers import CappedReLU
from keras_alt.operators import is_kernel, shares_grid
from keras_alt.origin import require_keras3
from keras_alt.replacements import Replacements
from keras_alt.transforms import folded


def equalize(
    model: keras.Model,
    data=None,
    samples: int = 256,
    batch_size: int = 32,
    verbose: bool = True,
) -> keras.Model:
    """Return a float model of the same function whose channels suit one scale per tensor.

    Per-tensor scales waste codes on channels that are much smaller than others. This function
    multiplies each channel by a power of two in the kernels that write it, and divides it in those
    that read it, through ReLUs, pools and depthwise layers, and in residual streams and
    concatenations as a whole. Powers of two are exact: the outputs stay the same to the last bit. A
    ReLU6 becomes a `keras_alt.layers.CappedReLU`, which has a bound for each channel.

    The powers are searched such that rounding adds the least noise to kernels and activations. The
    classic rule (Nagel et al., 2019, arXiv 1906.04721) balances the kernels only.

    Args:
        model: built float `keras.Model`; not changed. Batch norms are folded.
        data: inputs as for `keras_alt.calibrate`, from which the ranges of activations are taken.
            Without data, kernels and the bounds of activations count.
        samples: how many samples are read, from the start of `data`.
        batch_size: how many of them pass through a layer at a time.
        verbose: whether to show a progress bar.

    Returns:
        Functional `keras.Model`, flat and without batch norms.

    Raises:
        TypeError: `model` is not a Keras 3 model.

    Example:

    ```python
    equalized = keras_alt.equalize(model, x_train)
    quantized = keras_alt.quantize_model(equalized, calibration_data=x_train)
    ```
    """
    require_keras3(model)
    graph = Graph(folded(functional(model)))
    classes = ChannelClasses(graph)
    kernels = {call: Kernel(call, classes) for call in graph.calls if is_kernel(call)}
    ranges = _ranges(graph, classes, data, samples, batch_size, verbose)
    tensors = [kernel.sides() for kernel in kernels.values()]
    tensors += [
        [Side(classes.of(t), functools.partial(_scaled, classes.of(t), v), 1, ACTIVATION_WEIGHT)]
        for t, v in ranges.items()
    ]
    live = _live(tensors, classes.count)
    shifts = best_shifts(tensors, classes.count, live, verbose)
    return _scaled_model(graph, classes, kernels, shifts)


def _scaled(classes, values, shifts):
    return values * np.exp2(shifts[classes])


def _ranges(graph, classes, data, samples, batch_size, verbose):
    """Return the largest magnitude in each channel of the tensors that quantizers round."""
    rounded = [t for t in _rounded(graph) if (classes.of(t) != FIXED).any()]
    if data is None:
        bounds = {t: relu_max(graph.producer[t].layer) for t in rounded}
        return {
            t: np.full(t.shape[-1], bound)
            for t, bound in bounds.items()
            if bound is not None and np.isfinite(bound)
        }
    batches, found, wanted = read_batches(graph.model, data, samples, batch_size), {}, set(rounded)
    for tensor, values in values_of(graph, batches, verbose):
        if tensor in wanted:
            found[tensor] = functools.reduce(np.maximum, map(_largest, values))
    return found


def _largest(value):
    value = np.abs(ops.convert_to_numpy(value)).astype(np.float64)
    return value.reshape(-1, value.shape[-1]).max(axis=0)


def _rounded(graph):
    """Yield the tensors that a quantizer rounds, unless it reads them behind a ReLU."""
    for call in graph.calls:
        if is_kernel(call) or shares_grid(call) or is_capped_relu(call):
            reader = graph.sole_reader(call.output)
            if reader is None or not is_capped_relu(reader):
                yield call.output


def _live(tensors, count):
    """Return which classes carry information: none of their channels is constant."""
    live = np.ones(count, bool)
    for sides in tensors:
        for side in sides:
            largest = side.maxima(np.zeros(count))
            live[side.classes[largest <= NEGLIGIBLE * largest.max(initial=0.0)]] = False
    live[FIXED] = True
    return live


def _scaled_model(graph, classes, kernels, shifts):
    """Return the model whose channels are scaled by `2**shifts`."""
    capped = [c for c in graph.calls if relu_max(c.layer) not in (None, np.inf)]
    capped = [c for c in capped if shifts[classes.of(c.output)].any()]
    layers = Replacements(graph, [*kernels, *capped])

    def rule(call, new):
        factors = np.exp2(shifts[classes.of(call.output)])
        if call in kernels:
            layer = layers(
                call.layer, None, lambda name: replaced(call.layer, type(call.layer), name=name)
            )
            fill = functools.partial(_fill, call.layer, kernels[call].factors(shifts), factors)
            return call_and_fill(layer, fill, *new(call.args), **new(call.kwargs))
        caps = relu_max(call.layer) * factors
        layer = layers(call.layer, caps.tobytes(), lambda name: CappedReLU(name=name))
        return call_and_fill(layer, lambda built: built.set_weights([caps]), new(call.inputs[0]))

    return rewrite(graph, rule, [*kernels, *capped])


def _fill(old, factors, written, new):
    """Set the weights of a layer, scaled. Powers of two lose no digit."""
    groups = as_groups(old, ops.convert_to_numpy(old.kernel), factors.shape[0] * factors.shape[1])
    kernel = from_groups(old, groups * factors.astype(groups.dtype))
    bias = [ops.convert_to_numpy(old.bias) * written] if old.use_bias else []
    new.set_weights([kernel, *bias])
