"""Converts a model of tf_keras or tensorflow-model-optimization to Keras 3."""

import inspect

import keras
import numpy as np
from keras import ops
from numpy.random import Generator

from keras_alt.graph import call_and_fill, deep_recursion
from keras_alt.keras_internals import operation_behind
from keras_alt.masks import sparsity_masks
from keras_alt.precision import float32_by_default
from keras_alt.quantized_model import recorded
from keras_alt.quantizer import quantizers
from keras_alt.tfmot.layers import keras3_layer, weights_of
from keras_alt.tfmot.nodes import Values, flat, keras3_name, nodes, options
from keras_alt.tfmot.packages import imported
from keras_alt.tfmot.ranges import learned_thresholds
from keras_alt.tfmot.record import record_of_trained
from keras_alt.tfmot.trained import is_trained, keras3_trained
from keras_alt.tfmot.wrappers import unwrapped

_, tf_keras = imported()
TOLERANCE = 1e-5  # of the largest output
BATCH = 2
OPEN_SIZE = 64  # replaces sizes that are None
IDS = {"Embedding": "input_dim", "CategoryEncoding": "num_tokens"}  # attribute: how many ids


@float32_by_default()
def to_keras3(model) -> tuple[keras.Model, dict, dict]:
    """Convert `model` from tf_keras to Keras 3, with its masks and learned thresholds.

    Wrappers of pruning, clustering and quantization are removed. Wrappers of `ALTScheme` become
    quantized layers with the same thresholds. Then the model runs on random inputs, and each
    Keras 3 layer gets the inputs of its original. The outputs of both must agree to 1e-5 of the
    largest output.

    Args:
        model: functional or Sequential `tf_keras.Model`. It may be plain, pruned, clustered,
            annotated for quantization or in quantization-aware training. It may be loaded from a
            file. It is not changed.

    Returns:
        `(model, masks, thresholds)`. The masks belong to kernels with zeros and go to
        `keras_alt.quantize_model(model, masks=masks)`. The thresholds are the ranges that tfmot
        learned, `{quantizer name: threshold}`, and go to `keras_alt.tfmot.set_thresholds`.

    Raises:
        TypeError: `model` is not a tf_keras model.
        NotImplementedError: Keras 3 lacks a layer; the message names it.
        ValueError: the outputs of a layer differ; the message names it.
    """
    if not isinstance(model, tf_keras.Model):
        raise TypeError(
            "`to_keras3` expects a model of tf_keras. "
            f"Received: model={model!r} (of type {type(model).__module__}.{type(model).__name__})"
        )
    conversion = _Conversion(model)
    conversion.compare()
    result = conversion.result
    trained = {name: quantizer.threshold for name, quantizer in quantizers(result).items()}
    result = recorded(result, record_of_trained(result))
    return result, sparsity_masks(result), {**learned_thresholds(model), **trained}


class _Conversion:
    """Rebuilds the graph of one tf_keras model on Keras 3 tensors."""

    def __init__(self, model, nested=None):
        self.model = model
        self.nodes = nodes(model)
        self.nested = {} if nested is None else nested  # conversions by id of the tf_keras model
        self.bare = {}  # layers of tf_keras without their wrappers, by id
        self.layers = {}  # their Keras 3 forms
        for node in self.nodes:
            if id(node.layer) not in self.layers:
                self.add(node.layer)
        self.result = self.rebuilt()

    def add(self, layer):
        if is_trained(layer):
            self.bare[id(layer)], self.layers[id(layer)] = layer, keras3_trained(layer)
        else:
            self.bare[id(layer)] = bare = unwrapped(layer)
            self.layers[id(layer)] = self.converted(bare)

    def converted(self, layer):
        if layer is None:
            return lambda x: x
        if not isinstance(layer, tf_keras.Model):
            return keras3_layer(layer)
        if id(layer) not in self.nested:
            self.nested[id(layer)] = _Conversion(layer, self.nested)
        return self.nested[id(layer)].result

    def rebuilt(self):
        structure = self.model._nested_inputs, self.model._nested_outputs
        keys = {}  # in a dictionary, Keras 3 wants each input named like its key
        if isinstance(structure[0], dict):
            keys = {id(tensor): key for key, tensor in structure[0].items()}
        inputs = [
            keras.Input(
                batch_shape=tuple(t.shape),
                dtype=t.dtype.name,
                name=keys.get(id(t), keras3_name(t.name)),
            )
            for t in self.model.inputs
        ]
        new = Values(self.model.inputs, inputs)
        for node in self.nodes:
            layer = self.layers[id(node.layer)]
            args, kwargs = new(node.args), options(new(node.kwargs))
            outputs = self.called(layer, node, args, kwargs)
            _name_operators(outputs, (args, kwargs), keras3_name(node.layer.name))
            new.record(node, outputs)
        with deep_recursion():
            return keras.Model(*map(new, structure), name=keras3_name(self.model.name))

    def called(self, layer, node, args, kwargs):
        if not isinstance(layer, keras.layers.Layer):
            return layer(*args, **kwargs)

        def fill(built):
            if built.weights:
                built.set_weights(weights_of(self.bare[id(node.layer)]))

        return call_and_fill(layer, fill, *args, **kwargs)

    def compare(self):
        """Run every layer of both models on random inputs.

        Both forms of a layer get the same inputs, because a network may amplify rounding errors.
        The inputs are normal, and random ids in front of a layer that reads ids. If no output is
        finite, the comparison is repeated on [0, 1).

        Raises:
            ValueError: a layer differs, or no output is finite for either kind of input.
        """
        for draw in (Generator.normal, Generator.random):
            x = [_random(tensor, draw) for tensor in self.model.inputs]
            if any(np.isfinite(np.asarray(value)).any() for value in self.compare_on(x)):
                return
        raise ValueError(
            "The Keras 3 layers must agree with the tf_keras layers. The tf_keras outputs are not "
            "finite for random inputs: nothing can be compared. "
            f"Received: model '{self.model.name}'"
        )

    def compare_on(self, x):
        """Compare on the inputs `x`; return the flat list of tf_keras outputs."""
        old = Values(self.model.inputs, x)
        new = Values(self.model.inputs, map(_moved, x))
        readers = _last_readers(self.nodes, self.model.outputs)
        for i, node in enumerate(self.nodes):
            args, kwargs = old(node.args), options(old(node.kwargs))
            bare = self.bare[id(node.layer)] or (lambda x: x)
            if id(bare) in self.nested:
                inputs = args[0] if args else kwargs["inputs"]
                expected = self.nested[id(bare)].compare_on(flat(inputs))
            else:
                layer, moved = self.layers[id(node.layer)], new(node.args)
                if type(bare).__name__ in IDS:
                    args = [_ids(bare, args[0])]
                    moved = list(map(_moved, args))
                expected = flat(bare(*args, **_inference(bare, kwargs)))
                kwargs = _inference(layer, options(new(node.kwargs)))
                _check(node, expected, layer(*moved, **kwargs))
            old.record(node, expected)
            new.record(node, list(map(_moved, expected)))
            for tensor in readers.get(i, ()):
                old.forget(tensor)
                new.forget(tensor)
        return [old(tensor) for tensor in self.model.outputs]


def _moved(value):
    """Return a tf_keras tensor as a Keras 3 tensor."""
    return ops.convert_to_tensor(np.asarray(value))


def _check(node, expected, received):
    """Raise if the outputs of a layer differ."""
    difference = _difference(expected, received)
    if difference > TOLERANCE:
        raise ValueError(
            f"Every Keras 3 layer must agree with its tf_keras layer to {TOLERANCE} of the "
            f"largest output: replace layer '{node.layer.name}' by others. "
            f"Received: a difference of {difference:.1e}"
        )


def _name_operators(outputs, given, name):
    """Name an operator after its tf_keras layer, so that it never takes the name of a layer."""
    known = {id(tensor) for tensor in flat(given)}
    for tensor in flat(outputs):
        operation = operation_behind(tensor)
        if id(tensor) not in known and not isinstance(operation, keras.layers.Layer):
            operation.name = name


def _inference(layer, kwargs):
    """Return the arguments of a call outside training, where `layer` may train by default."""
    parameters = inspect.signature(getattr(layer, "call", layer)).parameters
    return {**kwargs, "training": False} if "training" in parameters else kwargs


def _ids(layer, like):
    """Return random ids that `layer` knows, in the shape of the tensor `like`."""
    largest = getattr(layer, IDS[type(layer).__name__])
    values = np.random.default_rng(0).integers(0, largest, size=like.shape)
    return tf_keras.backend.constant(values, dtype=like.dtype)


def _random(tensor, draw):
    rng = np.random.default_rng(0)
    shape = [BATCH, *(OPEN_SIZE if size is None else size for size in tensor.shape[1:])]
    floating = tensor.dtype.is_floating
    values = draw(rng, size=shape) if floating else rng.integers(0, 2, size=shape)
    return tf_keras.backend.constant(values, dtype=tensor.dtype)


def _last_readers(calls, outputs):
    """Return `{position of a call: tensors that no later call reads}`."""
    last = {}
    for i, node in enumerate(calls):
        for tensor in [*flat([node.args, node.kwargs]), *node.outputs]:
            last[id(tensor)] = i, tensor
    for tensor in outputs:
        last.pop(id(tensor), None)
    readers = {}
    for i, tensor in last.values():
        readers.setdefault(i, []).append(tensor)
    return readers


def _difference(expected, received):
    """Return the largest difference relative to the largest expected magnitude."""
    worst = 0.0
    for a, b in zip(flat(expected), flat(received), strict=True):
        a, b = np.asarray(a, np.float64), ops.convert_to_numpy(b).astype(np.float64)
        if a.shape != b.shape:
            return np.inf
        same = (a == b) | (np.isnan(a) & np.isnan(b))  # a logarithm has NaN and infinity in both
        scale = np.abs(a[np.isfinite(a)]).max(initial=0.0) or 1.0
        apart = np.subtract(a, b, where=~same, out=np.zeros_like(a))
        distance = np.abs(apart).max(initial=0.0) / scale
        worst = max(worst, distance if np.isfinite(distance) else np.inf)
    return worst
