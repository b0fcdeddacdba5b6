"""Equalization of a float model."""

import keras
import numpy as np

from keras_alt.calibration.batches import read_batches
from keras_alt.equalization.channels import FIXED, ChannelClasses
from keras_alt.equalization.noise import NEGLIGIBLE, Kernel, activation
from keras_alt.equalization.ranges import ranges_by_caps, ranges_on_data, rounded_tensors
from keras_alt.equalization.scaling import dropped_rules, scaled_model
from keras_alt.equalization.search import best_shifts
from keras_alt.graph import Graph
from keras_alt.operators import is_kernel
from keras_alt.quantizer import float_model
from keras_alt.training_rules import warn_of_dropped_rules
from keras_alt.transforms import folded


def equalize(
    model: keras.Model,
    data=None,
    samples: int = 256,
    batch_size: int = 64,
    verbose: bool = True,
) -> keras.Model:
    """Return a float model of the same function whose channels suit one scale per tensor.

    Per-tensor scales waste codes on channels that are much smaller than others. This function
    multiplies each channel by a power of two in the kernels that write it, and divides it in those
    that read it, through ReLUs, pools and depthwise layers, and in residual streams and
    concatenations as a whole. Powers of two are exact: they change no output. Only folding the
    batch norms in front changes outputs, by the rounding of float32. A ReLU6 becomes a
    `keras_alt.layers.CappedReLU`, which has a bound for each channel. A layer whose weights are
    scaled loses its constraints and regularizers, except `NonNeg`, with a warning that names it:
    a `MaxNorm`, for example, would change the function at the first step of a training.

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
        ValueError: `model` is quantized or has no layer with a kernel, or `data` does not fit it.

    Example:

    ```python
    equalized = keras_alt.equalize(model, x_train)
    quantized = keras_alt.quantize_model(equalized, calibration_data=x_train)
    ```
    """
    graph = Graph(folded(float_model(model, "equalize")))
    if not any(map(is_kernel, graph.calls)):
        raise ValueError(
            "`equalize` scales channels between layers with kernels, such as convolutions. "
            f"Received: model '{model.name}' without any that can be quantized"
        )
    classes = ChannelClasses(graph)
    kernels = {c: Kernel(c, classes) for c in graph.calls if is_kernel(c) and _is_free(c, classes)}
    rounded = [t for t in rounded_tensors(graph) if (classes.of(t) != FIXED).any()]
    if data is None:
        ranges = ranges_by_caps(graph, rounded)
    else:
        batches = read_batches(graph.model, data, samples, batch_size)
        ranges = ranges_on_data(graph, rounded, batches, verbose)
    tensors = [kernel.sides() for kernel in kernels.values()]
    tensors += [[activation(classes.of(tensor), maxima)] for tensor, maxima in ranges.items()]
    shifts = best_shifts(tensors, classes.count, live(tensors, classes.count), verbose)
    warn_of_dropped_rules(
        ((call.layer, dropped_rules(call, classes, shifts)) for call in kernels),
        "Constraints and regularizers do not hold for the weights that `equalize` scales, so they "
        "are dropped there: train with them first, or set new ones on the equalized layers.",
        stacklevel=2,
    )
    return scaled_model(graph, classes, kernels, shifts)


def _is_free(call, classes):
    """Return whether a call reads or writes channels that may be scaled."""
    return any((classes.of(t) != FIXED).any() for t in (call.inputs[0], call.output))


def live(tensors: list, count: int) -> np.ndarray:
    """Return which classes carry information: none of their channels is constant."""
    carries = np.ones(count, bool)
    for sides in tensors:
        for side in sides:
            largest = side.maxima(np.zeros(count))
            carries[side.classes[largest <= NEGLIGIBLE * largest.max(initial=0.0)]] = False
    carries[FIXED] = True
    return carries
