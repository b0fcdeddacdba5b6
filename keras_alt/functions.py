"""Elementwise functions in double precision, and what they make of the codes of a grid."""

import math
from collections.abc import Callable

import keras
import numpy as np

from keras_alt.activations import activation_name
from keras_alt.formats import FixedPoint
from keras_alt.handlers import Handlers, kind_of

L = keras.layers
Function = Callable[[np.ndarray], np.ndarray]

# A function is tabulated for grids with these log2 steps; on others its values are NaN.
EXPONENTS = range(-32, 13)
# A wider tensor has too many codes for a table.
MOST_BITS = 10
# Poles count as this. It fits int64, and no grid of `EXPONENTS` makes it overflow float32.
LARGEST = 2.0**62


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _softplus(x):
    return np.logaddexp(0.0, x)


def _hard_sigmoid(x):
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


def _gelu(x):
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def _gelu_tanh(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def _elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _selu(x):
    return 1.0507009873554805 * _elu(x, 1.6732632423543772)


def _sparse_plus(x):
    return np.where(x <= -1.0, 0.0, np.where(x < 1.0, 0.25 * (x + 1.0) ** 2, x))


def _shrink(x, hard):
    kept = np.abs(x) > 0.5
    return np.where(kept, x if hard else x - 0.5 * np.sign(x), 0.0)


def _erf(x):
    return np.vectorize(math.erf, otypes=[float])(x)


# Keras' activations with their default arguments, by the name that Keras saves.
ACTIVATIONS: dict[str, Function] = {
    "celu": _elu,
    "elu": _elu,
    "exponential": np.exp,
    "gelu": _gelu,
    "hard_shrink": lambda x: _shrink(x, hard=True),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "hard_tanh": lambda x: np.clip(x, -1.0, 1.0),
    "log_sigmoid": lambda x: -_softplus(-x),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "soft_shrink": lambda x: _shrink(x, hard=False),
    "softplus": _softplus,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda x: np.clip(0.5 * (x + 1.0), 0.0, 1.0),
    "squareplus": lambda x: 0.5 * (x + np.sqrt(x * x + 4.0)),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
}
# Operators of `keras.ops` without arguments, by class name.
OPERATORS: dict[str, Function] = {
    "Abs": np.abs,
    "Absolute": np.abs,
    "Arcsinh": np.arcsinh,
    "Arctan": np.arctan,
    "Cbrt": np.cbrt,
    "Ceil": np.ceil,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Erf": _erf,
    "Exp": np.exp,
    "Exp2": np.exp2,
    "Expm1": np.expm1,
    "Fabs": np.abs,
    "Floor": np.floor,
    "Log": np.log,
    "Log10": np.log10,
    "Log1p": np.log1p,
    "Log2": np.log2,
    "Negative": np.negative,
    "Reciprocal": np.reciprocal,
    "Round": np.rint,
    "Rsqrt": lambda x: 1.0 / np.sqrt(x),
    "Sign": np.sign,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Sqrt": np.sqrt,
    "Square": np.square,
    "Tan": np.tan,
    "Trunc": np.trunc,
}

# For each kind of layer: `(layer) -> Function`, or None for what the layer is configured to.
FUNCTIONS = Handlers()


def function_of(layer: keras.Operation) -> Function | None:
    """Return the elementwise function of a layer, from doubles to doubles.

    None if the layer is not elementwise, has weights, or is not known.
    """
    entry = FUNCTIONS.get(kind_of(layer))
    return None if entry is None else entry(layer)


@FUNCTIONS.handles(L.Activation)
def _activation(layer):
    return ACTIVATIONS.get(activation_name(layer))


@FUNCTIONS.handles(*OPERATORS)
def _operator(operator):
    plain = getattr(operator, "decimals", 0) == 0
    return OPERATORS[type(operator).__name__] if plain else None


@FUNCTIONS.handles("Clip")
def _clip(operator):
    low, high = operator.x_min, operator.x_max
    if not all(bound is None or isinstance(bound, (int, float)) for bound in (low, high)):
        return None
    return lambda x: np.clip(x, low, high)


@FUNCTIONS.handles("Gelu")
def _gelu_operator(operator):
    return _gelu_tanh if operator.approximate else _gelu


@FUNCTIONS.handles("Elu", "Celu", L.ELU)
def _elu_layer(layer):
    alpha = float(layer.alpha)
    if kind_of(layer) == "Celu":
        return lambda x: np.maximum(x, 0.0) + alpha * np.expm1(np.minimum(x, 0.0) / alpha)
    return lambda x: _elu(x, alpha)


@FUNCTIONS.handles(L.ReLU)
def _relu(layer):
    slope, threshold = float(layer.negative_slope), float(layer.threshold)
    most = math.inf if layer.max_value is None else float(layer.max_value)
    return lambda x: np.where(x >= threshold, np.minimum(x, most), slope * (x - threshold))


@FUNCTIONS.handles(L.Rescaling)
def _rescaling(layer):
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        return None
    return lambda x: x * float(layer.scale) + float(layer.offset)


def is_ever_negative(function: Function, signed: bool) -> bool:
    """Return whether a function gives negative values on inputs with or without a sign."""
    x = np.ldexp(np.arange(-1024.0 if signed else 0.0, 1024.0), -4)
    return bool((_finite(function, x) < 0).any())


def tabulated(function: Function, format: FixedPoint) -> tuple[np.ndarray, np.ndarray]:
    """Return the values and the slopes of a function on every grid of `format`.

    Returns:
        Two float32 arrays of shape `(len(EXPONENTS) + 2, codes)`: a row for each exponent, between
        two rows of NaN for exponents out of range. Values are rounded from float64. Slopes are
        central differences; at a kink that is the mean of both sides.
    """
    codes = np.arange(format.qmin, format.qmax + 1.0)
    x = np.stack([np.ldexp(codes, exponent) for exponent in EXPONENTS])
    step = 2.0**-17 * np.maximum(np.abs(x), 1.0)
    slopes = (_finite(function, x + step) - _finite(function, x - step)) / (2.0 * step)
    return _framed(_finite(function, x)), _framed(slopes)


def _finite(function, x):
    """Return values where a pole counts as `LARGEST`, and 0 outside the domain (log of -1)."""
    with np.errstate(all="ignore"):
        values = np.asarray(function(x), np.float64)
    return np.clip(np.nan_to_num(values, nan=0.0), -LARGEST, LARGEST)


def _framed(rows):
    return np.pad(rows, [(1, 1), (0, 0)], constant_values=np.nan).astype(np.float32)
