"""One table of what each kind of layer is to quantization.

Planning, reports, masks and the bridge to tfmot read it. `docs/extending.md` adds to it.
"""

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from keras_alt.activations import FUSED_RELUS, leaky_slope, relu_max
from keras_alt.graph import Call
from keras_alt.layers import (
    AveragePoolConv2D,
    QuantAveragePoolConv2D,
    QuantConv1D,
    QuantConv2D,
    QuantConv2DTranspose,
    QuantDense,
    QuantDepthwiseConv2D,
    QuantLeakyReLU,
    QuantSeparableConv2D,
)

L = keras.layers


class Grid(enum.Enum):
    """Where the outputs of an operator lie, if its inputs lie on grids."""

    KEPT = "on the grid of the input: values are moved, or chosen among"
    COMMON = "on one grid with all operands: values are chosen among them"
    COMBINED = "beside the one grid that all operands share; a quantizer follows"
    POOLED = "on the grid of the input, unless the target makes the pool a convolution"
    NEW = "beside the grid of the input; a quantizer follows"


def always(signs: Sequence[bool]) -> bool:
    """The outputs need a sign."""
    return True


def never(signs: Sequence[bool]) -> bool:
    """The outputs are never negative."""
    return False


# A rounding: that of what computed the input.
OF_INPUT = "of input"


@dataclass(frozen=True)
class Operator:
    """What one kind of layer is to quantization.

    Attributes:
        grid: where its outputs lie.
        signed: whether the outputs need a sign, from whether each input has one.
        rounding: field of `Target` that says how an engine rounds what the layer computes; `None`
            for half to even, `OF_INPUT` for that of what computed the input.
        quantized: the Quant layer that takes its place, or None where the layer itself computes
            on the grid.
        has_kernel: whether it multiplies by a trained kernel.
        rectifies: whether an engine computes it on the full-precision sum in front of it, so that
            nothing is quantized between.
        fused: the activation by which a `Quantizer` computes it in its own pass, or None.
    """

    grid: Grid
    signed: Callable[[Sequence[bool]], bool] = always
    rounding: str | None = None
    quantized: type | None = None
    has_kernel: bool = False
    rectifies: bool = False
    fused: str | None = None


MOVE = Operator(Grid.KEPT, signed=any, rounding=OF_INPUT)
CHOICE = Operator(Grid.COMMON, signed=any)
POOL = Operator(Grid.POOLED, signed=any, rounding="average_pool")
MEAN = Operator(Grid.NEW, signed=any, rounding="mean")


def product(quantized: type) -> Operator:
    """Return the entry of a layer with a trained kernel, for its Quant layer."""
    return Operator(Grid.NEW, quantized=quantized, has_kernel=True)


def pool_cells(layer) -> int:
    """Return the number of cells in a pool's window."""
    return math.prod(layer.pool_size) if isinstance(layer.pool_size, tuple) else layer.pool_size


def _average_pool(call):
    return POOL if pool_cells(call.layer) > 1 else MOVE  # one cell: subsampling


def _upsampling(call):
    return MOVE if call.layer.interpolation == "nearest" else None


def _merge(operator):
    return lambda call: operator if len(call.inputs) > 1 else None


def _activation(call):
    bound = relu_max(call.layer)
    if bound is not None:
        fused = FUSED_RELUS.get(bound)
        return Operator(Grid.NEW, never, rounding=OF_INPUT, rectifies=True, fused=fused)
    if leaky_slope(call.layer) is not None:
        return Operator(Grid.NEW, rounding="rescale", quantized=QuantLeakyReLU, rectifies=True)
    return None


# By exact type, because a subclass may compute something else; Keras' operators by class name.
OPERATORS: dict[type | str, Operator | Callable[[Call], Operator | None]] = {
    L.Conv1D: product(QuantConv1D),
    L.Conv2D: product(QuantConv2D),
    L.Conv2DTranspose: product(QuantConv2DTranspose),
    L.DepthwiseConv2D: product(QuantDepthwiseConv2D),
    L.SeparableConv2D: product(QuantSeparableConv2D),
    L.Dense: product(QuantDense),
    AveragePoolConv2D: Operator(
        Grid.NEW, signed=any, rounding="average_pool", quantized=QuantAveragePoolConv2D
    ),
    L.AveragePooling1D: _average_pool,
    L.AveragePooling2D: _average_pool,
    L.GlobalAveragePooling1D: MEAN,
    L.GlobalAveragePooling2D: MEAN,
    L.Add: _merge(Operator(Grid.COMBINED, signed=any, rounding="add")),
    L.Subtract: _merge(Operator(Grid.COMBINED, rounding="add")),
    L.Concatenate: _merge(CHOICE),
    L.Maximum: _merge(CHOICE),
    L.Minimum: _merge(CHOICE),
    L.ReLU: _activation,
    L.LeakyReLU: _activation,
    L.Activation: _activation,
    L.UpSampling1D: MOVE,
    L.UpSampling2D: _upsampling,
    **dict.fromkeys(
        [
            *(L.MaxPooling1D, L.MaxPooling2D, L.GlobalMaxPooling1D, L.GlobalMaxPooling2D),
            *(L.Flatten, L.Reshape, L.Permute, L.RepeatVector),
            *(L.ZeroPadding1D, L.ZeroPadding2D, L.Cropping1D, L.Cropping2D),
            *(L.Identity, L.Dropout, L.SpatialDropout1D, L.SpatialDropout2D),
            L.ActivityRegularization,
            *("ExpandDims", "Flip", "GetItem", "Max", "MaxPool", "Pad", "Ravel", "Repeat"),
            *("Reshape", "Roll", "Slice", "Squeeze", "Swapaxes", "Take", "Tile", "Transpose"),
        ],
        MOVE,
    ),
}
KERNELS = tuple(kind for kind, entry in OPERATORS.items() if getattr(entry, "has_kernel", False))


def operator_of(call: Call) -> Operator | None:
    """Return what the call is to quantization, None if it has no fixed-point form."""
    entry = OPERATORS.get(kind_of(call.layer))
    return entry if entry is None or isinstance(entry, Operator) else entry(call)


def kind_of(layer: keras.Operation) -> type | str | None:
    """Return a layer's type, the class name of one of Keras' operators, None for others."""
    if isinstance(layer, L.Layer):
        return type(layer)
    is_keras = type(layer).__module__.startswith("keras.")
    return type(layer).__name__ if is_keras else None


def is_operator(layer: keras.Operation, *names: str) -> bool:
    """Return whether `layer` is one of Keras' operators, not a layer, of these class names."""
    return kind_of(layer) in names


def is_kernel(call: Call) -> bool:
    """Return whether the call multiplies by a trained kernel that has a quantized form."""
    operator = operator_of(call)
    return operator is not None and operator.has_kernel


def has_grid(call: Call, *grids: Grid) -> bool:
    """Return whether the call has a fixed-point form whose outputs lie so."""
    operator = operator_of(call)
    return operator is not None and operator.grid in grids


def shares_grid(call: Call) -> bool:
    """Return whether the operands of the call must lie on one grid."""
    return has_grid(call, Grid.COMMON, Grid.COMBINED)


def is_batch_norm(call: Call) -> bool:
    """Return whether the call is Keras' batch norm, or a subclass that infers like it.

    A subclass may compute something else. One whose training alone differs says so by
    `infers_like_batch_norm = True` in its class.
    """
    layer = call.layer
    return type(layer) is L.BatchNormalization or (
        isinstance(layer, L.BatchNormalization)
        and vars(type(layer)).get("infers_like_batch_norm", False)
    )
