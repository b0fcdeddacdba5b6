"""The table of how each type of layer is quantized.

Planning, reports, masks and the conversion from tfmot read it. `docs/extending.md` shows how to add
an entry.
"""

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras

from keras_alt.activations import FUSED_RELUS, leaky_slope, relu_max
from keras_alt.functions import FUNCTIONS, function_of, is_ever_negative
from keras_alt.graph import Call
from keras_alt.handlers import kind_of as kind_of
from keras_alt.layers import (
    AveragePoolConv2D,
    CappedReLU,
    ConstantTensor,
    ExactAverage,
    Matmul,
    QuantAveragePoolConv2D,
    QuantConv1D,
    QuantConv1DTranspose,
    QuantConv2D,
    QuantConv2DTranspose,
    QuantConv3D,
    QuantDense,
    QuantDepthwiseConv1D,
    QuantDepthwiseConv2D,
    QuantFunction,
    QuantLeakyReLU,
    QuantPReLU,
    QuantSeparableConv2D,
    QuantSoftmax,
    ScaledSoftmax,
    Tabulated,
)
from keras_alt.layers.average import EXACT
from keras_alt.layers.softmax import is_row, softmax_arguments
from keras_alt.moves import MOVES, moves_of
from keras_alt.noise import NOISE
from keras_alt.reductions import reduced_axes
from keras_alt.resizing import enlargement, has_exact_weights
from keras_alt.targets import get_target

L = keras.layers


class Grid(enum.Enum):
    """The grid of an operator's outputs, if its inputs lie on grids."""

    KEPT = "the outputs keep the grid of the input: values are moved or selected"
    COMMON = "all operands and the output share one grid: values are selected"
    COMBINED = "all operands share one grid; the output does not lie on it and gets a quantizer"
    POOLED = "the outputs keep the grid of the input, unless the pool becomes a convolution"
    NEW = "the outputs do not lie on the grid of the input and get a quantizer"


def always(signs: Sequence[bool]) -> bool:
    """The outputs need a sign."""
    return True


def never(signs: Sequence[bool]) -> bool:
    """The outputs are never negative."""
    return False


# This value of `Operator.rounding` means: round as the operator that computed the input.
OF_INPUT = "of input"


# The fields of `Target` that name a rounding.
ROUNDED = ("kernel", "add", "average_pool", "mean", "multiply", "rescale")


@dataclass(frozen=True)
class Operator:
    """How one type of layer is quantized.

    Attributes:
        grid: the `Grid` of its outputs.
        signed: `(signs of the inputs) -> bool`, whether the outputs can be negative.
        rounding: name of the field of `Target` with the rounding of its outputs. None rounds half
            to even. `OF_INPUT` rounds as the operator that computed the input.
        quantized: Quant layer that replaces it, such as a subclass of `QuantizedKernel` and of the
            float layer's type. None if the float layer also computes on the grid.
        has_kernel: whether it multiplies by a trained kernel.
        rectifies: whether an engine applies it to the full-precision sum of the layer before it.
            No quantizer is placed between the two.
        fused: name of the activation if a `Quantizer` computes it as part of its own call, or None.
        inner: whether it is quantized only between other quantized layers. In front of them it
            prepares the input, behind them it shapes the output, and stays float there.
    """

    grid: Grid
    signed: Callable[[Sequence[bool]], bool] = always
    rounding: str | None = None
    quantized: type | None = None
    has_kernel: bool = False
    rectifies: bool = False
    fused: str | None = None
    inner: bool = False

    def __post_init__(self):
        if self.rounding not in (None, OF_INPUT, *ROUNDED):
            raise ValueError(
                f"`rounding` must be None, OF_INPUT or one of {', '.join(ROUNDED)}. "
                f"Received: rounding={self.rounding!r}"
            )


MOVE = Operator(Grid.KEPT, signed=any, rounding=OF_INPUT)
CHOICE = Operator(Grid.COMMON, signed=any)
POOL = Operator(Grid.POOLED, signed=any, rounding="average_pool")
PRODUCT = Operator(Grid.NEW, signed=any, rounding="kernel")
MEAN = Operator(Grid.NEW, signed=any, rounding="mean")
SUM = Operator(Grid.NEW, signed=any)
SOFTMAX = Operator(Grid.NEW, never, rounding="rescale", quantized=QuantSoftmax, inner=True)


def product(quantized: type) -> Operator:
    """Return the entry of a layer with a trained kernel. `quantized` is its Quant layer."""
    return Operator(Grid.NEW, rounding="kernel", quantized=quantized, has_kernel=True)


def pool_cells(layer) -> int:
    """Return the number of cells in a pool's window."""
    return math.prod(layer.pool_size) if isinstance(layer.pool_size, tuple) else layer.pool_size


def _average_pool(call):
    if pool_cells(call.layer) == 1:
        return MOVE  # it subsamples
    return _average(kind_of(call.layer), POOL)


def _average(kind, operator):
    """Return the entry of a kind of average."""
    return replace(operator, quantized=EXACT[kind])


def _enlargement(call):
    if enlargement(call, "nearest"):
        return MOVE
    return Operator(Grid.NEW, signed=any, rounding="kernel") if has_exact_weights(call) else None


def _merge(operator):
    return lambda call: operator if len(call.inputs) > 1 else None


def _matmul(call):
    first, second = (tensor.shape for tensor in call.inputs)
    is_known = None not in first[1:] and None not in second[1:]
    return PRODUCT if is_known and first[:-2] == second[:-2] else None


def _side_by_side(call):
    moves_samples = call.layer.axis % len(call.outputs[0].shape) == 0
    return CHOICE if len(call.inputs) > 1 and not moves_samples else None


def _move(call):
    return MOVE if moves_of(call) is not None else None


def _reduction(operator):
    return lambda call: None if reduced_axes(call) is None else operator


def _softmax(call):
    arguments, is_masked = softmax_arguments(call.layer), len(call.inputs) > 1
    if arguments is None or is_masked or not is_row(call.output.shape, arguments["axis"]):
        return None
    return SOFTMAX


def _activation(call):
    bound = relu_max(call.layer)
    if bound is not None:
        fused = FUSED_RELUS.get(bound)
        return Operator(Grid.NEW, never, rounding=OF_INPUT, rectifies=True, fused=fused)
    if leaky_slope(call.layer) is not None:
        return Operator(Grid.NEW, rounding="rescale", quantized=QuantLeakyReLU, rectifies=True)
    return elementwise(call) or _softmax(call)


def elementwise(call):
    """Return the entry of a function that maps each code by a table."""
    function = function_of(call.layer)
    if function is None or len(call.inputs) != 1:
        return None
    signed = lambda signs: is_ever_negative(function, signs[0])  # noqa: E731
    return Operator(Grid.NEW, signed, quantized=QuantFunction, inner=True)


# Layers are looked up by exact type, because a subclass may compute something else.
# Keras' operators are looked up by class name.
OPERATORS: dict[type | str, Operator | Callable[[Call], Operator | None]] = {
    L.Conv1D: product(QuantConv1D),
    L.Conv1DTranspose: product(QuantConv1DTranspose),
    L.Conv2D: product(QuantConv2D),
    L.Conv2DTranspose: product(QuantConv2DTranspose),
    L.Conv3D: product(QuantConv3D),
    L.DepthwiseConv1D: product(QuantDepthwiseConv1D),
    L.DepthwiseConv2D: product(QuantDepthwiseConv2D),
    L.SeparableConv2D: product(QuantSeparableConv2D),
    L.Dense: product(QuantDense),
    AveragePoolConv2D: Operator(
        Grid.NEW, signed=any, rounding="average_pool", quantized=QuantAveragePoolConv2D
    ),
    L.AveragePooling1D: _average_pool,
    L.AveragePooling2D: _average_pool,
    L.AveragePooling3D: _average_pool,
    L.GlobalAveragePooling1D: _average(L.GlobalAveragePooling1D, MEAN),
    L.GlobalAveragePooling2D: _average(L.GlobalAveragePooling2D, MEAN),
    L.GlobalAveragePooling3D: _average(L.GlobalAveragePooling3D, MEAN),
    L.Add: _merge(Operator(Grid.COMBINED, signed=any, rounding="add")),
    L.Subtract: _merge(Operator(Grid.COMBINED, rounding="add")),
    L.Concatenate: _side_by_side,
    "Stack": _side_by_side,
    L.Maximum: _merge(CHOICE),
    L.Minimum: _merge(CHOICE),
    L.Multiply: _merge(Operator(Grid.NEW, signed=any, rounding="multiply", inner=True)),
    Matmul: _matmul,
    **dict.fromkeys(FUNCTIONS, elementwise),
    L.ReLU: _activation,
    L.LeakyReLU: _activation,
    L.Activation: _activation,
    CappedReLU: Operator(Grid.NEW, never, rounding=OF_INPUT, rectifies=True),
    L.Softmax: _softmax,
    ScaledSoftmax: _softmax,
    ConstantTensor: Operator(Grid.NEW, always, inner=True),
    L.PReLU: Operator(Grid.NEW, rounding="add", quantized=QuantPReLU, rectifies=True),
    L.UpSampling1D: MOVE,
    L.UpSampling2D: _enlargement,
    L.UpSampling3D: MOVE,
    L.Resizing: _enlargement,
    **dict.fromkeys(
        [
            *(L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D),
            *(L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D),
            *(L.Flatten, L.Reshape, L.Permute, L.RepeatVector),
            *(L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D),
            *(L.Cropping1D, L.Cropping2D, L.Cropping3D),
            *(L.Identity, *NOISE),
        ],
        MOVE,
    ),
    **dict.fromkeys(MOVES, _move),
    **dict.fromkeys(["Amax", "Amin", "Max", "Min"], _reduction(MOVE)),
    "Mean": _reduction(_average("Mean", MEAN)),
    "Sum": _reduction(SUM),
}


def operator_of(call: Call) -> Operator | None:
    """Return the entry of the called layer, None if it has no fixed-point form."""
    entry = OPERATORS.get(kind_of(call.layer))
    return entry if entry is None or isinstance(entry, Operator) else entry(call)


def reads_table(operator: Operator | None) -> bool:
    """Return whether the entry is computed from a table of the codes of its input."""
    quantized = None if operator is None else operator.quantized
    return quantized is not None and issubclass(quantized, Tabulated)


def is_average(operator: Operator | None) -> bool:
    """Return whether the entry is that of an average."""
    quantized = None if operator is None else operator.quantized
    return quantized is not None and issubclass(quantized, ExactAverage)


def is_float_in(call: Call, target: str) -> bool:
    """Return whether the engine of `target` has no integer form of the called layer."""
    operator = operator_of(call)
    quantized = None if operator is None else operator.quantized
    names = {kind.__name__ for kind in (type(call.layer), quantized) if kind is not None}
    return not names.isdisjoint(get_target(target).float_layers)


def is_operator(layer: keras.Operation, *names: str) -> bool:
    """Return whether `layer` is a Keras operator of one of these classes, or its exact form."""
    return kind_of(layer) in names


def has_kernel(layer: keras.Operation) -> bool:
    """Return whether the layer multiplies by a trained kernel that has a quantized form."""
    entry = OPERATORS.get(kind_of(layer))
    return isinstance(entry, Operator) and entry.has_kernel


def is_kernel(call: Call) -> bool:
    """Return whether the call multiplies by a trained kernel that has a quantized form."""
    return has_kernel(call.layer)


def is_frozen(layer: keras.Operation) -> bool:
    """Return whether a user froze the layer. The kernel of an average pool is always constant."""
    return not getattr(layer, "trainable", True) and not isinstance(layer, AveragePoolConv2D)


def float_type(quantized: type) -> type | str | None:
    """Return the kind of layer whose place a Quant layer takes, None if it takes none."""
    entries = ((k, e) for k, e in OPERATORS.items() if isinstance(e, Operator))
    return next((kind for kind, entry in entries if entry.quantized is quantized), None)


def has_grid(call: Call, *grids: Grid) -> bool:
    """Return whether the call has a fixed-point form with one of these `Grid` values."""
    operator = operator_of(call)
    return operator is not None and operator.grid in grids


def shares_grid(call: Call) -> bool:
    """Return whether the operands of the call must lie on one grid."""
    return has_grid(call, Grid.COMMON, Grid.COMBINED)


def is_batch_norm(call: Call) -> bool:
    """Return whether the call is Keras' batch norm, or a subclass with the same inference.

    A subclass may compute something else. A subclass that differs in training only states so by
    the class attribute `infers_like_batch_norm = True`.
    """
    layer = call.layer
    return type(layer) is L.BatchNormalization or (
        isinstance(layer, L.BatchNormalization)
        and vars(type(layer)).get("infers_like_batch_norm", False)
    )
