"""Operators that compute each element by itself: arithmetic, comparisons, choices, types."""

import keras
import numpy as np
from keras import ops

from keras_alt.engines.onnx_float.writer import composes, is_tensor, writes_float
from keras_alt.operators import kind_of

# ONNX has an operator of one input.
UNARY = {
    "Absolute": "Abs",
    "Fabs": "Abs",
    "Negative": "Neg",
    "Sign": "Sign",
    "Floor": "Floor",
    "Ceil": "Ceil",
    "Exp": "Exp",
    "Log": "Log",
    "Sqrt": "Sqrt",
    "Reciprocal": "Reciprocal",
    "Sin": "Sin",
    "Cos": "Cos",
    "Tan": "Tan",
    "Sinh": "Sinh",
    "Cosh": "Cosh",
    "Tanh": "Tanh",
    "Arcsin": "Asin",
    "Arccos": "Acos",
    "Arctan": "Atan",
    "Arcsinh": "Asinh",
    "Arccosh": "Acosh",
    "Arctanh": "Atanh",
    "Erf": "Erf",
    "LogicalNot": "Not",
    "Copy": "Identity",
    "StopGradient": "Identity",
    "ConvertToTensor": "Identity",
}
# ONNX has an operator of two inputs that share the type of the output.
BINARY = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "TrueDivide": "Div",
    "Power": "Pow",
    "Maximum": "Max",
    "Minimum": "Min",
    "Fmax": "Max",
    "Fmin": "Min",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
    "LogicalXor": "Xor",
}
COMPARISONS = {
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
}
# What Keras computes by other operators.
FORMULAS = {
    "Square": lambda x: x * x,
    "Rsqrt": lambda x: ops.reciprocal(ops.sqrt(x)),
    "Cbrt": lambda x: ops.sign(x) * ops.power(ops.abs(x), 1 / 3),
    "Exp2": lambda x: ops.power(2.0, x),
    "Expm1": lambda x: ops.exp(x) - 1.0,
    "Erfc": lambda x: 1.0 - ops.erf(x),
    "Log1p": lambda x: ops.log(x + 1.0),
    "Log2": lambda x: ops.log(x) / 0.6931471805599453,
    "Log10": lambda x: ops.log(x) / 2.302585092994046,
    "Deg2rad": lambda x: x * 0.017453292519943295,
    "Rad2deg": lambda x: x * 57.29577951308232,
    "Trunc": lambda x: ops.sign(x) * ops.floor(ops.abs(x)),
    "Hypot": lambda x, y: ops.sqrt(x * x + y * y),
    "FloorDivide": lambda x, y: ops.floor(ops.divide(x, y)),
    "Logaddexp": lambda x, y: ops.maximum(x, y) + ops.log(1.0 + ops.exp(-ops.abs(x - y))),
    "Logaddexp2": lambda x, y: ops.log2(ops.power(2.0, x) + ops.power(2.0, y)),
    "Fmod": lambda x, y: x - ops.trunc(x / y) * y,
    "Heaviside": lambda x, y: ops.where(x == 0, y, ops.cast(x > 0, "float32")),
    "Signbit": lambda x: x < 0,
    "Isposinf": lambda x: ops.logical_and(ops.isinf(x), x > 0),
    "Isneginf": lambda x: ops.logical_and(ops.isinf(x), x < 0),
    "NotEqual": lambda x, y: ops.logical_not(ops.equal(x, y)),
    "OnesLike": lambda x, dtype=None: ops.full_like(x, 1, dtype=dtype),
    "ZerosLike": lambda x, dtype=None: ops.full_like(x, 0, dtype=dtype),
}


@writes_float(*UNARY)
def _unary(writer, call, x, **kwargs):
    return writer.add(UNARY[kind_of(call.layer)], writer.operand(x, call.output.dtype))


@writes_float(*BINARY)
def _binary(writer, call, x1, x2):
    dtype = call.output.dtype
    operands = writer.operand(x1, dtype), writer.operand(x2, dtype)
    return writer.add(BINARY[kind_of(call.layer)], *operands)


@writes_float(*COMPARISONS)
def _comparison(writer, call, x1, x2):
    dtype = keras.backend.result_type(_type(x1), _type(x2))
    dtype = "int32" if dtype == "bool" else dtype
    operands = writer.operand(x1, dtype), writer.operand(x2, dtype)
    return writer.add(COMPARISONS[kind_of(call.layer)], *operands)


def _formula(kind):
    composes(kind)(lambda operator, *inputs, **kwargs: FORMULAS[kind](*inputs, **kwargs))


for kind in FORMULAS:
    _formula(kind)


@composes("Mod")
def _mod(operator, x1, x2):
    if "int" in keras.backend.result_type(_type(x1), _type(x2)):
        return x1 - ops.cast(ops.floor(ops.divide(x1, x2)), "int32") * x2
    return x1 - ops.floor(ops.divide(x1, x2)) * x2


@composes("DivideNoNan")
def _divide_no_nan(operator, x1, x2):
    zero = ops.equal(x2, 0)
    return ops.where(zero, 0.0, ops.divide(x1, ops.where(zero, 1.0, x2)))


@writes_float("Isnan")
def _isnan(writer, call, x):
    return writer.add("IsNaN", writer.operand(x, "float32"))


@writes_float("Isinf")
def _isinf(writer, call, x):
    return writer.add("IsInf", writer.operand(x, "float32"))


@composes("Isfinite")
def _isfinite(operator, x):
    return ops.logical_not(ops.logical_or(ops.isnan(x), ops.isinf(x)))


@writes_float("Round")
def _round(writer, call, x):
    """Round half to even, as ONNX does."""
    scale = writer.constant(10.0**call.layer.decimals)
    x = writer.operand(x, call.output.dtype)
    if call.layer.decimals == 0:
        return writer.add("Round", x)
    return writer.add("Div", writer.add("Round", writer.add("Mul", x, scale)), scale)


@composes("Clip")
def _clip(operator, x):
    return ops.minimum(ops.maximum(x, operator.x_min), operator.x_max)


@writes_float("Where")
def _where(writer, call, condition, x1, x2):
    dtype = call.output.dtype
    condition = writer.operand(condition, "bool")
    return writer.add("Where", condition, writer.operand(x1, dtype), writer.operand(x2, dtype))


@writes_float("Cast", "SaturateCast")
def _cast(writer, call, x, *args, **kwargs):
    return writer.operand(x, call.output.dtype)


@writes_float("FullLike")
def _full_like(writer, call, x, fill_value):
    """Multiply by zero would keep NaN, so the value is expanded to the shape."""
    shape = writer.add("Shape", writer.operand(x))
    return writer.add("Expand", writer.operand(fill_value, call.output.dtype), shape)


def _type(value):
    """Return what decides the type of a result: a number decides less than an array."""
    return value.dtype if is_tensor(value) or hasattr(value, "dtype") else type(value)


@composes("Isclose")
def _isclose(operator, x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    near = ops.logical_or(x1 == x2, ops.abs(x1 - x2) <= ops.abs(x2) * rtol + atol)
    return (
        ops.logical_or(near, ops.logical_and(ops.isnan(x1), ops.isnan(x2))) if equal_nan else near
    )


@composes("NanToNum")
def _nan_to_num(operator, x):
    limits = np.finfo(np.float32)
    top = limits.max if operator.posinf is None else operator.posinf
    bottom = limits.min if operator.neginf is None else operator.neginf
    x = ops.where(ops.isnan(x), operator.nan, x)
    return ops.where(ops.isposinf(x), top, ops.where(ops.isneginf(x), bottom, x))


@composes("Select")
def _select(operator, conditions, choices, default=0):
    """Take the choice of the first condition that holds."""
    result = default
    for condition, choice in list(zip(conditions, choices, strict=True))[::-1]:
        result = ops.where(condition, choice, result)
    return result


@composes("Arctan2")
def _arctan2(operator, y, x):
    """Return the angle of a point, in the half plane that the signs tell."""
    safe = ops.where(x == 0, 1.0, x)
    turn = ops.where(y < 0, -np.pi, np.pi)
    angle = ops.arctan(y / safe) + ops.where(x < 0, turn, 0.0)
    return ops.where(x == 0, ops.sign(y) * (np.pi / 2), angle)
