"""Converts tf_keras layers to Keras 3 layers."""

import inspect

import keras
import numpy as np

from keras_alt.handlers import Handlers
from keras_alt.tfmot.nodes import keras3_name
from keras_alt.tfmot.operators import operator

L = keras.layers
RENAMED = {"alpha": "negative_slope", "theta": "threshold"}
CONVERTERS = Handlers()  # by class name: tf_keras layer -> Keras 3 layer or function
handles = CONVERTERS.handles


def keras3_layer(layer):
    """Return a Keras 3 layer or function that computes the same as `layer` of tf_keras.

    The Keras 3 layer is unbuilt. Its weights are `weights_of(layer)`, in that order.

    Raises:
        NotImplementedError: Keras 3 has no layer of that kind; the message names the layer.
    """
    kind = type(layer).__name__
    if type(layer).__module__.startswith("tf_keras."):
        if kind in CONVERTERS:
            return CONVERTERS[kind](layer)
        if hasattr(L, kind):
            return from_config(getattr(L, kind), layer)
    raise NotImplementedError(
        f"Layer '{layer.name}' must be of a kind that Keras 3 has too: replace it by built-in "
        f"layers of tf_keras. Received: a layer of type {type(layer).__module__}.{kind}"
    )


def weights_of(layer) -> list[np.ndarray]:
    """Return the weights of a tf_keras layer in the shapes of its Keras 3 form."""
    if type(layer).__name__ == "LayerScale":
        return [value.reshape(1, 1, -1, 1) for value in layer.get_weights()]
    return layer.get_weights()


def from_config(cls: type, layer, **changes):
    """Return an unbuilt `cls` with those options of `layer` that `cls` accepts.

    Options that Keras 3 dropped are ignored. `to_keras3` compares outputs afterwards.
    """
    config = {key: _plain(_inside(layer, key, value)) for key, value in layer.get_config().items()}
    config.update(name=keras3_name(layer.name), dtype=layer.dtype_policy.name, **changes)
    known = arguments_of(cls, L.Layer) | {"name", "trainable", "dtype"}
    return cls.from_config({key: value for key, value in config.items() if key in known})


def _inside(layer, key, value):
    """Return `value` of the configuration of `layer`; a layer inside is converted, too.

    Such are the layers in `Bidirectional` and `TimeDistributed`, and the cells of an `RNN`.
    """
    part = getattr(layer, key, None)
    if isinstance(part, (list, tuple)) and part and all(map(_is_layer, part)):
        return [keras.saving.serialize_keras_object(keras3_layer(item)) for item in part]
    return keras.saving.serialize_keras_object(keras3_layer(part)) if _is_layer(part) else value


def _is_layer(value):
    return hasattr(value, "call") and hasattr(value, "get_config")


def arguments_of(cls: type, base: type) -> set[str]:
    """Return the constructor arguments of `cls` and its parents up to the class `base`."""
    return {
        name
        for parent in cls.__mro__
        if issubclass(parent, base)
        for name in inspect.signature(parent.__init__).parameters
    }


def _plain(value):
    """Return a value of a configuration in built-in Python types."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, list):
        return list(map(_plain, value))
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "numpy"):
        return np.asarray(value).tolist()
    return value


@handles("BatchNormalization", "SyncBatchNormalization")
def _batch_norm(layer):
    axis = layer.axis
    axis = axis[0] if isinstance(axis, (list, tuple)) else axis
    synchronized = type(layer).__name__ == "SyncBatchNormalization"
    return from_config(L.BatchNormalization, layer, axis=axis, synchronized=synchronized)


@handles("ReLU", "LeakyReLU", "ThresholdedReLU")
def _relu(layer):
    config = {RENAMED.get(key, key): _plain(value) for key, value in layer.get_config().items()}
    names = ("negative_slope", "max_value", "threshold")
    slopes = {name: config[name] for name in names if config.get(name) is not None}
    if set(slopes) == {"negative_slope"}:
        return from_config(L.LeakyReLU, layer, **slopes)
    return from_config(L.ReLU, layer, **slopes)


@handles("Normalization")
def _normalization(layer):
    if layer.input_mean is not None:
        return from_config(L.Normalization, layer)
    statistics = {"mean": layer.mean.numpy(), "variance": layer.variance.numpy()}
    return from_config(L.Normalization, layer, **{k: _kept(v) for k, v in statistics.items()})


def _kept(statistic):
    return np.squeeze(statistic).tolist()


@handles("Lambda")
def _lambda(layer):
    options = {"name": keras3_name(layer.name), "dtype": layer.dtype_policy.name}
    return L.Lambda(layer.function, arguments=layer.arguments, **options)


@handles("TFOpLambda", "SlicingOpLambda")
def _function(layer):
    return operator(layer)


@handles("CustomScaleLayer")
def _custom_scale(layer):
    """InceptionResNet's `x + scale * y`."""
    name = keras3_name(layer.name)
    scale, add = L.Rescaling(layer.scale, name=f"{name}_scale"), L.Add(name=name)
    return lambda inputs: add([inputs[0], scale(inputs[1])])


@handles("LayerScale")
def _layer_scale(layer):
    """ConvNeXt multiplies each channel by a factor."""
    return L.DepthwiseConv2D(1, use_bias=False, name=keras3_name(layer.name))


@handles("StochasticDepth")
def _stochastic_depth(layer):
    """ConvNeXt drops whole samples."""
    return L.Dropout(
        layer.drop_path_rate, noise_shape=(None, 1, 1, 1), name=keras3_name(layer.name)
    )
