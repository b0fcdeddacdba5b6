"""Replacement of averages by depthwise convolutions, which have a bias."""

import keras
import numpy as np

from keras_alt.graph import Call, Graph, Replay, call_and_fill, rewrite
from keras_alt.operators import Grid, has_grid
from keras_alt.replacements import Replacements
from keras_alt.transforms.average_pool_to_depthwise import mean_to_average_pool

L = keras.layers


def averages_to_depthwise(model: keras.Model) -> tuple[keras.Model, list[str]]:
    """Turn averages over images into depthwise convolutions; return the model and their names.

    A pool that is padded at a border, or over lines or volumes, stays: no constant divides it.
    """
    graph = Graph(mean_to_average_pool(model))
    pools = [call for call in graph.calls if _is_unpadded_pool(call)]
    convolutions = Replacements(graph, pools)

    def rule(call: Call, new: Replay):
        x, pool = call.inputs[0], call.layer
        layer = convolutions(pool, x.shape[3], lambda name: _convolution(pool, name))
        fill = lambda built: built.kernel.assign(np.full(built.kernel.shape, _share(pool)))  # noqa: E731
        return call_and_fill(layer, fill, new(x))

    result = rewrite(graph, rule, pools)
    return result, [convolutions(c.layer, c.inputs[0].shape[3], None).name for c in pools]


def _is_unpadded_pool(call):
    layer = call.layer
    is_pool = has_grid(call, Grid.POOLED) and type(layer) is L.AveragePooling2D
    return is_pool and layer.data_format == "channels_last" and layer.padding == "valid"


def _convolution(pool, name):
    return L.DepthwiseConv2D(
        pool.pool_size, strides=pool.strides, dtype=pool.dtype_policy, name=name
    )


def _share(pool):
    return 1.0 / np.prod(pool.pool_size)


def shared_evenly(kernel: np.ndarray, step: float) -> np.ndarray:
    """Return the kernel of an average with weights on a grid, whose sum per channel is as near to 1
    as it can be.

    Each weight is rounded down or up to a multiple of `step`, so their number decides.
    """
    cells = int(np.prod(kernel.shape[:2]))
    total = np.rint(1.0 / step)
    codes = np.diff(np.floor(np.arange(cells + 1) * total / cells))
    return np.broadcast_to(codes.reshape(*kernel.shape[:2], 1, 1) * step, kernel.shape)
