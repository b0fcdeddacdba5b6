"""Reductions over axes: sums, means, extremes, positions, sorting."""

from keras import ops

from keras_alt.engines.onnx_float.writer import composes, no_form, writes_float
from keras_alt.operators import kind_of

REDUCTIONS = {
    "Mean": "ReduceMean",
    "Max": "ReduceMax",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
    "Amax": "ReduceMax",
    "Amin": "ReduceMin",
    "Sum": "ReduceSum",
}


def axes_of(axis, rank: int) -> list[int]:
    """Return the axes of a Keras argument: None is all of them."""
    if axis is None:
        return list(range(rank))
    return sorted(int(a) % rank for a in ([axis] if isinstance(axis, int) else axis))


@writes_float(*REDUCTIONS)
def _reduction(writer, call, x):
    operator, kind = call.layer, REDUCTIONS[kind_of(call.layer)]
    axes = axes_of(operator.axis, len(x.shape))
    name = writer.operand(x, call.output.dtype)
    if kind == "ReduceSum":  # its axes were an input before those of the others
        name = writer.add(kind, name, axes, keepdims=int(operator.keepdims))
    else:
        name = writer.reduced(kind, name, axes, operator.keepdims)
    initial = getattr(operator, "initial", None)
    if initial is None:
        return name
    initial = writer.constant(initial, call.output.dtype)
    return writer.add({"ReduceMax": "Max", "ReduceMin": "Min"}[kind], name, initial)


@composes("Var")
def _var(operator, x):
    x = ops.cast(x, "float32")
    deviation = x - ops.mean(x, axis=_tuple(operator.axis), keepdims=True)
    return ops.mean(ops.square(deviation), axis=_tuple(operator.axis), keepdims=operator.keepdims)


@composes("Std")
def _std(operator, x):
    return ops.sqrt(ops.var(x, axis=_tuple(operator.axis), keepdims=operator.keepdims))


@composes("Moments")
def _moments(operator, x):
    options = {"axis": _tuple(operator.axes), "keepdims": operator.keepdims}
    return ops.mean(x, **options), ops.var(x, **options)


@composes("All")
def _all(operator, x):
    x = ops.cast(ops.cast(x, "bool"), "int32")
    return ops.min(x, axis=_tuple(operator.axis), keepdims=operator.keepdims) > 0


@composes("Any")
def _any(operator, x):
    x = ops.cast(ops.cast(x, "bool"), "int32")
    return ops.max(x, axis=_tuple(operator.axis), keepdims=operator.keepdims) > 0


@composes("CountNonzero")
def _count_nonzero(operator, x):
    return ops.sum(ops.cast(ops.not_equal(x, 0), "int32"), axis=_tuple(operator.axis))


@composes("Logsumexp")
def _logsumexp(operator, x):
    axis = _tuple(operator.axis)
    top = ops.max(x, axis=axis, keepdims=True)
    total = ops.log(ops.sum(ops.exp(x - top), axis=axis, keepdims=True)) + top
    return total if operator.keepdims else ops.squeeze(total, tuple(axes_of(axis, len(x.shape))))


@composes("Nansum")
def _nansum(operator, x):
    x = ops.where(ops.isnan(x), 0.0, x)
    return ops.sum(x, axis=_tuple(operator.axis), keepdims=operator.keepdims)


@composes("Nanmean")
def _nanmean(operator, x):
    options = {"axis": _tuple(operator.axis), "keepdims": operator.keepdims}
    known = ops.cast(ops.logical_not(ops.isnan(x)), "float32")
    return ops.nansum(x, **options) / ops.sum(known, **options)


@composes("Ptp")
def _ptp(operator, x):
    options = {"axis": _tuple(operator.axis), "keepdims": operator.keepdims}
    return ops.max(x, **options) - ops.min(x, **options)


@composes("Average")
def _average(operator, x, weights=None):
    if weights is None:
        return ops.mean(x, axis=operator.axis)
    return ops.sum(x * weights, axis=operator.axis) / ops.sum(weights, axis=operator.axis)


@composes("Norm")
def _norm(operator, x):
    options = {"axis": _tuple(operator.axis), "keepdims": operator.keepdims}
    if operator.ord in (None, "fro", 2) and (operator.ord != 2 or len(operator.axis or ()) == 1):
        return ops.sqrt(ops.sum(ops.square(x), **options))
    if operator.ord == 1 and len(operator.axis or ()) == 1:
        return ops.sum(ops.abs(x), **options)
    raise NotImplementedError(f"norm of order {operator.ord} over axes {operator.axis}")


@writes_float("Argmax", "Argmin")
def _position(writer, call, x):
    operator = call.layer
    name = writer.operand(x, "int32" if x.dtype == "bool" else x.dtype)
    axis = operator.axis
    if axis is None:
        if operator.keepdims:
            raise no_form(call, "axis=None with keepdims=True")
        name, axis = writer.add("Reshape", name, [-1]), 0
    kind = {"Argmax": "ArgMax", "Argmin": "ArgMin"}[kind_of(operator)]
    name = writer.add(kind, name, axis=axis, keepdims=int(operator.keepdims))
    return writer.cast(name, call.output.dtype)


@writes_float("TopK")
def _top_k(writer, call, x):
    values, positions = writer.several("TopK", 2, writer.operand(x), [call.layer.k], axis=-1)
    return [values, writer.cast(positions, call.outputs[1].dtype)]


@writes_float("Sort", "Argsort")
def _sort(writer, call, x):
    axis = -1 if call.layer.axis is None else call.layer.axis
    if call.layer.axis is None or x.shape[axis] is None:
        raise no_form(call, f"axis={call.layer.axis} of shape {x.shape}")
    attributes = {"axis": axis, "largest": 0}
    values, positions = writer.several("TopK", 2, writer.operand(x), [x.shape[axis]], **attributes)
    if kind_of(call.layer) == "Sort":
        return values
    return writer.cast(positions, call.output.dtype)


@writes_float("Cumsum")
def _cumsum(writer, call, x):
    if call.layer.axis is None:
        raise no_form(call, "axis=None")
    axis = writer.constant(call.layer.axis, "int64")
    return writer.add("CumSum", writer.operand(x, call.output.dtype), axis)


def _tuple(axis):
    return axis if axis is None or isinstance(axis, int) else tuple(axis)
