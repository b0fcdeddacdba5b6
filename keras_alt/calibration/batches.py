"""The data of calibration: batches of inputs, and the activations that they produce."""

import itertools
import tempfile

import keras
import numpy as np
from keras import ops, tree

from keras_alt.graph import Graph
from keras_alt.number_checks import require_numbers, whole_number

MEMORY_BYTES = 2**30  # further activations go to a temporary file


def read_batches(model: keras.Model, data, samples: int, batch_size: int) -> list:
    """Return at most `samples` samples of `data` in batches, each a list of arrays.

    Args:
        model: functional; `data` has the structure of its inputs.
        data: as for `keras_alt.calibrate`.
        samples: how many to read.
        batch_size: samples in a batch, if `data` are arrays.

    Raises:
        ValueError: if there is no sample, or a shape does not fit.
    """
    for name, value in (("samples", samples), ("batch_size", batch_size)):
        whole_number(name, value)
    batches, left = [], samples
    for leaves in _leaves(model, data, batch_size):
        arrays = [np.asarray(ops.convert_to_numpy(a[:left])) for a in leaves]
        if len(arrays[0]):
            batches.append(arrays)
            left -= len(arrays[0])
        if left <= 0:
            break
    if not batches:
        raise ValueError(
            "Calibration needs at least one sample; the paper takes 50. "
            f"Received: data={type(data).__name__} without any."
        )
    _check_shapes(model, batches)
    return batches


def _leaves(model, data, batch_size):
    """Yield the inputs of each batch, flat."""
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        indices = itertools.count() if count is None else range(count)
        yield from (_flat(model, _unpacked(data[i])) for i in indices)
    elif _is_arrays(model, data):
        leaves = _flat(model, _unpacked(data))
        for start in range(0, len(leaves[0]), batch_size):
            yield [leaf[start : start + batch_size] for leaf in leaves]
    elif hasattr(data, "__iter__") and not isinstance(data, str):
        yield from (_flat(model, _unpacked(batch)) for batch in data)
    else:
        raise TypeError(
            "`data` must be an array, a list or dict of arrays, a `tf.data.Dataset`, a `PyDataset` "
            f"or a generator. Received: data of type {type(data).__name__}"
        )


def _is_arrays(model, data):
    x = _unpacked(data)
    leaves = list(x.values()) if isinstance(x, dict) else x
    leaves = leaves if isinstance(leaves, (list, tuple)) else [leaves]
    return bool(leaves) and all(hasattr(a, "shape") and hasattr(a, "dtype") for a in leaves)


def _unpacked(batch):
    """Return x of `(x, y)` and `(x, y, sample_weight)`; as in `fit`, these are tuples only."""
    return batch[0] if isinstance(batch, tuple) and batch else batch


def _flat(model, x):
    if isinstance(x, dict) and not isinstance(model.input, dict):
        names = [tensor.name for tensor in model.inputs]
        if not set(names) <= set(x):
            raise ValueError(
                f"`data` must have an array for each input of model '{model.name}': "
                f"{', '.join(names)}. Received: keys {', '.join(map(str, x))}"
            )
        leaves = [x[name] for name in names]
    else:
        leaves = tree.flatten(x)
    if len(leaves) != len(model.inputs):
        raise ValueError(
            f"Model '{model.name}' has {len(model.inputs)} inputs "
            f"({', '.join(t.name for t in model.inputs)}). Received: {len(leaves)} in `data`."
        )
    for tensor, leaf in zip(model.inputs, leaves, strict=True):
        if not len(leaf.shape if hasattr(leaf, "shape") else np.shape(leaf)):
            raise ValueError(
                f"Input '{tensor.name}' of model '{model.name}' expects an array of shape "
                f"{tensor.shape}. Received: {type(leaf).__name__} in `data`."
            )
    return leaves


def _check_shapes(model, batches):
    for arrays in batches:
        for tensor, array in zip(model.inputs, arrays, strict=True):
            expected, received = tensor.shape, array.shape
            fits = len(expected) == len(received) and all(
                e is None or e == r for e, r in zip(expected[1:], received[1:], strict=True)
            )
            if not fits:
                raise ValueError(
                    f"Input '{tensor.name}' of model '{model.name}' expects shape {expected}. "
                    f"Received: shape={received} in `data`."
                )
            if tensor.dtype != "string":
                require_numbers(array, f"Input '{tensor.name}' of model '{model.name}'")
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(
                f"`data` must have as many samples for each input of model '{model.name}'. "
                f"Received: {' and '.join(str(len(array)) for array in arrays)} samples"
            )


class ActivationStore:
    """The tensors that later calls still read, for every batch.

    Memory is bounded: what exceeds `MEMORY_BYTES` goes to a temporary file.

    Args:
        graph: the graph whose calls read them.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.count = 0
        self._reads_left = {tensor: len(readers) for tensor, readers in graph.readers.items()}
        self._values = {}
        self._bytes = 0

    def feed(self, batches: list):
        """Keep the inputs of the model."""
        self.count = len(batches)
        for index, arrays in enumerate(batches):
            for tensor, array in zip(self.graph.inputs, arrays, strict=True):
                if self._reads_left[tensor]:
                    self._keep(index, tensor, array.astype(tensor.dtype))

    def holds(self, tensor) -> bool:
        """Return whether `tensor` is computed, and a later call reads it."""
        return (0, tensor) in self._values

    def get(self, batch: int, tensor):
        """Return the value of `tensor` in a batch."""
        value = self._values[batch, tensor]
        return ops.convert_to_tensor(np.asarray(value) if isinstance(value, np.memmap) else value)

    def put(self, batch: int, call, outputs):
        """Keep the outputs of `call` that are read."""
        for tensor, value in zip(call.outputs, tree.flatten(outputs), strict=True):
            if self._reads_left[tensor]:
                self._keep(batch, tensor, value)

    def release(self, call):
        """Drop the inputs of `call`, which has run on every batch, unless other calls read them."""
        for tensor in call.inputs:
            self._reads_left[tensor] -= 1
            if not self._reads_left[tensor]:
                for batch in range(self.count):
                    value = self._values.pop((batch, tensor))
                    self._bytes -= 0 if isinstance(value, np.memmap) else _size(value)

    def _keep(self, batch, tensor, value):
        if self._bytes + _size(value) > MEMORY_BYTES:
            value = _on_disk(ops.convert_to_numpy(value))
        else:
            self._bytes += _size(value)
        self._values[batch, tensor] = value


def _size(value):
    return int(np.prod(value.shape)) * 4


def _on_disk(array):
    # The file has no name, so it disappears with the map, which keeps it open.
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, dtype=array.dtype, mode="w+", shape=array.shape)
    mapped[...] = array
    return mapped
