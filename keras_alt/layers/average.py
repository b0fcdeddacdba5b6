"""Averages of codes: Keras' layers, correctly rounded on every backend."""

import keras
import numpy as np

from keras_alt.layers.holds_function import HoldsFunction
from keras_alt.numerics import averages
from keras_alt.numerics.backend import numerics
from keras_alt.padding import is_fixed, paddings

L = keras.layers


class ExactAverage:
    """Mixin in front of a Keras layer: its averages are the float32 numbers next to the true ones.

    Keras' own call is as exact on most backends, see `Backend.averages_exactly`.

    Attributes:
        exact_form_of: what tables of layers know this layer as: the type of Keras' layer, or the
            name of its operator.
    """

    exact_form_of: type | str


class _OfWindows(ExactAverage):
    def call(self, inputs):
        axes, size, strides = _space(self, inputs), self.pool_size, self.strides
        windows = [inputs.shape[axis] for axis in axes], size, strides, (1,) * len(axes)
        pads = paddings(self.padding, *windows)
        # XLA knows sizes that a graph of TensorFlow leaves open, and Keras' layer pads by them.
        if numerics.averages_exactly(inputs, pads) or not is_fixed(self.padding, *windows):
            return super().call(inputs)
        return averages.window_mean(inputs, axes, size, strides, pads)


class _OfSpace(ExactAverage):
    def call(self, inputs):
        if numerics.averages_exactly(inputs):
            return super().call(inputs)
        return averages.mean(inputs, _space(self, inputs), self.keepdims)


def _space(layer, inputs):
    """Return the axes that are neither samples nor channels."""
    first = 1 if layer.data_format == "channels_last" else 2
    return tuple(range(first, first + len(inputs.shape) - 2))


@keras.saving.register_keras_serializable(package="keras_alt")
class ExactAveragePooling1D(_OfWindows, L.AveragePooling1D):
    """`AveragePooling1D` of codes, correctly rounded on every backend."""

    exact_form_of = L.AveragePooling1D


@keras.saving.register_keras_serializable(package="keras_alt")
class ExactAveragePooling2D(_OfWindows, L.AveragePooling2D):
    """`AveragePooling2D` of codes, correctly rounded on every backend."""

    exact_form_of = L.AveragePooling2D


@keras.saving.register_keras_serializable(package="keras_alt")
class ExactAveragePooling3D(_OfWindows, L.AveragePooling3D):
    """`AveragePooling3D` of codes, correctly rounded on every backend."""

    exact_form_of = L.AveragePooling3D


@keras.saving.register_keras_serializable(package="keras_alt")
class ExactGlobalAveragePooling1D(_OfSpace, L.GlobalAveragePooling1D):
    """`GlobalAveragePooling1D` of codes, correctly rounded on every backend.

    A mask of time steps makes it Keras' own, which `quantize_model` leaves in place.
    """

    exact_form_of = L.GlobalAveragePooling1D

    def call(self, inputs, mask=None):
        if mask is not None:
            return L.GlobalAveragePooling1D.call(self, inputs, mask)
        return super().call(inputs)


@keras.saving.register_keras_serializable(package="keras_alt")
class ExactGlobalAveragePooling2D(_OfSpace, L.GlobalAveragePooling2D):
    """`GlobalAveragePooling2D` of codes, correctly rounded on every backend."""

    exact_form_of = L.GlobalAveragePooling2D


@keras.saving.register_keras_serializable(package="keras_alt")
class ExactGlobalAveragePooling3D(_OfSpace, L.GlobalAveragePooling3D):
    """`GlobalAveragePooling3D` of codes, correctly rounded on every backend."""

    exact_form_of = L.GlobalAveragePooling3D


@keras.saving.register_keras_serializable(package="keras_alt")
class ExactMean(HoldsFunction, ExactAverage, L.Layer):
    """`keras.ops.mean` of codes, correctly rounded on every backend.

    Args:
        function: the operator that `keras.ops.mean` makes.
    """

    exact_form_of = "Mean"

    def __init__(self, function: keras.Operation, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.axis, self.keepdims = function.axis, function.keepdims

    def call(self, inputs):
        if numerics.averages_exactly(inputs):
            return self.function(inputs)
        axes = range(len(inputs.shape)) if self.axis is None else np.atleast_1d(self.axis).tolist()
        return averages.mean(inputs, axes, self.keepdims)


# The exact form of each kind of average.
EXACT = {
    exact.exact_form_of: exact
    for exact in (
        *(ExactAveragePooling1D, ExactAveragePooling2D, ExactAveragePooling3D),
        *(ExactGlobalAveragePooling1D, ExactGlobalAveragePooling2D, ExactGlobalAveragePooling3D),
        ExactMean,
    )
}
