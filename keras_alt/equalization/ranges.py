"""The ranges of the activations that quantizers round."""

from collections.abc import Iterator

import numpy as np
from keras import ops

from keras_alt.calibration.values import values_of
from keras_alt.equalization.caps import caps_of
from keras_alt.graph import Graph
from keras_alt.operators import Grid, has_grid, operator_of


def rounded_tensors(graph: Graph) -> Iterator:
    """Yield the tensors of a float graph that a quantized one rounds."""
    for call in graph.calls:
        if has_grid(call, Grid.NEW, Grid.COMBINED, Grid.COMMON):
            yield from (t for t in call.outputs if not _is_absorbed(graph, t))


def _is_absorbed(graph, tensor):
    """Return whether only ReLUs read a tensor: an engine applies them to the sum."""
    readers = [operator_of(reader) for reader in graph.readers[tensor]]
    is_output = any(tensor is output for output in graph.outputs)
    return bool(readers) and not is_output and all(r is not None and r.rectifies for r in readers)


def ranges_on_data(graph: Graph, tensors, batches: list, verbose: bool = False) -> dict:
    """Return `{tensor: largest magnitude in each channel}` for tensors of a graph.

    Args:
        graph: `Graph` of a float model.
        tensors: that are wanted.
        batches: from `keras_alt.calibration.batches.read_batches`.
        verbose: whether to show a progress bar.
    """
    found, wanted = {}, set(tensors)
    for tensor, values in values_of(graph, batches, verbose):
        if tensor in wanted:
            found[tensor] = np.max([_largest(value) for value in values], axis=0)
        if len(found) == len(wanted):
            break
    return found


def _largest(value):
    axes = tuple(range(len(value.shape) - 1))
    return ops.convert_to_numpy(ops.max(ops.abs(value), axis=axes)).astype(np.float64)


def ranges_by_caps(graph: Graph, tensors) -> dict:
    """Return `{tensor: cap of each channel}` for the tensors that a ReLU with a bound computes."""
    caps = {tensor: caps_of(graph.producer[tensor].layer) for tensor in tensors}
    return {
        t: np.broadcast_to(cap, t.shape[-1]).astype(np.float64)
        for t, cap in caps.items()
        if cap is not None and np.isfinite(cap).all()
    }
