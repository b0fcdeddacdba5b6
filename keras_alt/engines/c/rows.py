"""Operations that compute a row of results at a time, as C."""

from __future__ import annotations

import math

import numpy as np

from keras_alt.engines.c.layer import Layer
from keras_alt.engines.c.places import Rows, linear, merged, strides
from keras_alt.engines.c.types import I32, SUMS, CType, holding
from keras_alt.engines.fitting import ExportError
from keras_alt.handlers import Handlers
from keras_alt.integer import Constant, Step
from keras_alt.integer.operations import magnitudes

ROWS = Handlers()
AXES = 3  # that windows and reductions of the C functions have


@ROWS.handles("convolve")
def _convolve(layer: Layer, step: Step):
    x, tensor, ctype = layer.operand(step)
    codes, groups = step.attributes["kernel"].codes, step.attributes["groups"]
    channels, filters = tensor.shape[-1], codes.shape[-1]
    total = _sums(step, tensor, -1)
    if groups == channels and groups > 1:
        kernel, each = layer.kernel(step, codes, "window x sums"), filters // channels
        words = {"each": each, "channel": "i" if each == 1 else f"i / {each}"}
        endings = [f"x{each}", ctype, kernel.ending, total]
        window = _window(layer, step, codes.shape[:-2], channels, filters)
        layer.library.add("span")
        name = _function(layer, "depthwise", endings, (ctype, kernel, total), **words)
        layer.begin(total, f"{name}({x}, {kernel.array}, &{window}, at, row);")
    elif groups > 1:
        kernel = layer.kernel(step, np.moveaxis(codes, -1, 0), "filters x window x channels")
        types = ctype, kernel, total
        window = _window(layer, step, codes.shape[:-2], channels, filters)
        layer.library.add("span")
        name = _function(layer, "convolve_groups", _endings(types), types, dot=_dot(layer, types))
        layer.begin(total, f"{name}({x}, {kernel.array}, &{window}, at, {groups}, row);")
    else:
        kernel = layer.kernel(step, np.moveaxis(codes, -1, 0), "filters x window x channels")
        cells = _cells(layer, step, codes.shape[:-2])
        name, n = _matrix(layer, (ctype, kernel, total)), codes[..., 0].size
        layer.begin(total, f"{name}({cells}, {kernel.array}, {n}, {filters}, row);")
    _load(layer, step, step.attributes["kernel"])


def _cells(layer, step, size):
    """Return the codes of a window, which are collected unless they lie side by side."""
    x, tensor, ctype = layer.operand(step)
    rules, channels = step.attributes, tensor.shape[-1]
    if {*size, *rules["strides"]} == {1} and not any(map(any, rules["padding"])):
        return f"{x} + {channels} * at" if layer.rows.count > 1 else x
    window = _window(layer, step, size, channels, layer.rows.length)
    name = layer.library.add("gather", ctype, x=ctype.name)
    layer.scratch["cells"] = (ctype, math.prod(size) * channels)
    layer.before.append(f"{name}({x}, &{window}, at, cells);")
    return "cells"


@ROWS.handles("convolve_transposed")
def _convolve_transposed(layer: Layer, step: Step):
    x, tensor, ctype = layer.operand(step)
    codes = step.attributes["kernel"].codes
    kernel, total = (
        layer.kernel(step, codes, "window x filters x channels"),
        _sums(step, tensor, -2),
    )
    window = _window(layer, step, codes.shape[:-2], tensor.shape[-1], codes.shape[-2])
    types = ctype, kernel, total
    dot = _dot(layer, types)
    name = _function(layer, "convolve_transposed", _endings(types), types, dot=dot)
    layer.begin(total, f"{name}({x}, {kernel.array}, &{window}, at, row);")
    _load(layer, step, step.attributes["kernel"])


@ROWS.handles("matrix_product")
def _matrix_product(layer: Layer, step: Step):
    x, tensor, ctype = layer.operand(step)
    codes = step.attributes["kernel"].codes
    kernel, total = layer.kernel(step, codes.T, "filters x channels"), _sums(step, tensor, -1)
    types = ctype, kernel, total
    name, (channels, filters) = _matrix(layer, types), codes.shape
    at = f"{x} + {channels} * at" if layer.rows.count > 1 else x
    layer.begin(total, f"{name}({at}, {kernel.array}, {channels}, {filters}, row);")
    _load(layer, step, step.attributes["kernel"])


@ROWS.handles("batch_matmul")
def _batch_matmul(layer: Layer, step: Step):
    x, first, ctype = layer.operand(step)
    y, second, other = layer.operand(step, 1)
    *batch, rows, terms = first.shape
    if list(second.shape[:-2]) != batch:
        raise ExportError(
            "The matrices of a product must be as many. "
            f"Received: shapes {first.shape} and {second.shape}"
        )
    result = layer.program.tensors[step.output]
    total = holding(min(result.low, 0), max(result.high, 0), SUMS)
    words = {"x": ctype.name, "w": other.name, "t": total.name}
    name = layer.library.add("batch_matmul", ctype, other, total, **words)
    n = second.shape[-1]
    matrix = f"{y} + at / {rows} * {terms * n}" if math.prod(batch) > 1 else y
    layer.begin(total, f"{name}({x} + at * {terms}, {matrix}, {terms}, {n}, row);")
    _load(layer, step)


REDUCTIONS = {
    "sum": ("Sums", "0", "row[i] + {code}"),
    "maximum": ("Maxima", "INT{bits}_MIN", "{code} > row[i] ? {code} : row[i]"),
    "minimum": ("Minima", "INT{bits}_MAX", "{code} < row[i] ? {code} : row[i]"),
}


@ROWS.handles("window_sum", "window_maximum")
def _pool(layer: Layer, step: Step):
    x, tensor, ctype = layer.operand(step)
    kind = step.operation.removeprefix("window_")
    channels = tensor.shape[-1]
    window = _window(layer, step, step.attributes["window"], channels, channels)
    layer.library.add("span")
    name, total = _reduction(layer, step, "pool", kind, ctype)
    layer.begin(total, f"{name}({x}, &{window}, at, row);")
    _load(layer, step)


@ROWS.handles("reduce_sum", "total", "reduce_maximum", "reduce_minimum")
def _reduce(layer: Layer, step: Step):
    x, tensor, ctype = layer.operand(step)
    kind = "sum" if step.operation == "total" else step.operation.removeprefix("reduce_")
    axes, steps = {a - 1 for a in step.attributes["axes"]}, strides(tensor.shape)
    pairs = list(zip(tensor.shape, steps, strict=True))
    blocks = merged([pair for a, pair in enumerate(pairs) if a in axes])
    if len(blocks) > AXES:
        raise ExportError(f"C reduces {AXES} axes at most. Received: axes={sorted(axes)}")
    kept = [pair for a, pair in enumerate(pairs) if a not in axes]
    if step.attributes["keepdims"]:
        kept = [(1, 0) if a in axes else pair for a, pair in enumerate(pairs)]
    *outer, (n, apart) = kept or [(1, 0)]
    layer.library.add("axes")
    name, total = _reduction(layer, step, "reduce", kind, ctype, 1 if n == 1 else apart)
    padded = [*[(1, 0)] * (AXES - len(blocks)), *blocks]
    fields = {"size": [n for n, _ in padded], "stride": [s for _, s in padded]}
    struct = layer.constants.struct(f"{step.layer}_axes", "axes", fields)
    first = linear(outer, "at")
    layer.begin(total, f"{name}({x}{f' + {first}' if first else ''}, &{struct}, {n}, row);")
    _load(layer, step)


def _reduction(layer, step, template, kind, ctype, apart=1):
    """Return the function that reduces windows or axes, and the type of its results."""
    result = layer.program.tensors[step.output]
    total = holding(min(result.low, 0), max(result.high, 0), SUMS)
    code = "codes[i]" if apart == 1 else f"codes[{apart} * i]"
    title, initial, combined = (
        text.format(bits=total.bits, code=code) for text in REDUCTIONS[kind]
    )
    endings = [kind, *([f"by{apart}"] if apart > 1 else []), ctype, total]
    words = {"title": title, "initial": initial, "combined": combined}
    return layer.library.add(template, *endings, x=ctype.name, t=total.name, **words), total


@ROWS.handles("softmax")
def _softmax(layer: Layer, step: Step):
    x, tensor, ctype = layer.operand(step)
    rules, axis = step.attributes, step.attributes["axis"] - 1
    layer.rows = Rows(tensor.shape, axis)
    tables = []
    for key in ("table", "fine"):
        comment = f"exponentials, step 2**{rules[key].exponent}; for 0, 1, 2, ... below the largest"
        tables.append(layer.constants.add(f"{step.layer}_{key}", rules[key].codes, comment))
    (table, w), (fine, v) = tables
    name = layer.library.add("softmax", ctype, w, v, x=ctype.name, w=w.name, v=v.name)
    step_size = strides(tensor.shape)[axis]
    place = layer.rows.place(tensor.shape).replace(f"{step_size} * i", "i")
    first = place.removesuffix("i").removesuffix(" + ")
    at = f"{x} + {first}" if first else x
    given = f"{tensor.shape[axis]}, {step_size}, {table}, {fine}, {rules['bits']}, {rules['guard']}"
    layer.begin(I32, f"{name}({at}, {given}, row);")
    _load(layer, step)


def _load(layer: Layer, step: Step, kernel: Constant | None = None):
    """Begin with a sum of a row; sums of channels with grids of their own go to the finest."""
    c = "row[i]"
    if kernel is not None and kernel.shifts is not None:
        comment = "factors that bring each channel's sums to the finest step"
        array, _ = layer.constants.add(f"{step.layer}_units", 1 << kernel.shifts.ravel(), comment)
        c = f"({layer.sum.name})row[i] * {array}[i]"
    layer.load(c, step.output)


def _sums(step: Step, x, channels: int) -> CType:
    """Return the type of the sums of a kernel: partial ones fit too, in any order."""
    weights = magnitudes(step.attributes["kernel"].codes, channels)
    most = int(weights.max(initial=0)) * max(-x.low, x.high)
    return holding(-most, most, SUMS)


def _window(layer, step, size, channels, filters):
    """Add the struct of a step's windows; return its name. Functions that use it follow."""
    layer.library.add("window")
    x, y = (layer.program.tensors[p] for p in (step.inputs[0], step.output))
    rank, rules = len(size), step.attributes
    if rank > AXES:
        raise ExportError(f"C has windows of {AXES} axes at most. Received: {rank} axes")
    before = rules["crop"] if "crop" in rules else [first for first, _ in rules["padding"]]
    ones, zeros = (1,) * rank, (0,) * (AXES - rank)
    fields = {
        "input": (*_ones(rank), *x.shape[:-1]),
        "output": (*_ones(rank), *y.shape[:-1]),
        "size": (*_ones(rank), *size),
        "stride": (*_ones(rank), *rules["strides"]),
        "dilation": (*_ones(rank), *rules.get("dilation", ones)),
        "before": (*zeros, *before),
        "channels": channels,
        "filters": filters,
    }
    return layer.constants.struct(f"{step.layer}_window", "window", fields)


def _ones(rank: int) -> tuple[int, ...]:
    """Return the sizes of the axes in front of those of lines and images."""
    return (1,) * (AXES - rank)


def _matrix(layer, types):
    """Add the product of a row with a kernel, four rows of it at a time; return its name."""
    weight = types[1].weight
    rows = {
        name: weight.replace("first", f"first + {count}n")
        for name, count in (("second", ""), ("third", "2 * "), ("fourth", "3 * "))
    }
    words = {"dot": _dot(layer, types)}
    words["dots"] = _function(layer, "dots", _endings(types), types, **rows)
    return _function(layer, "matrix_product", _endings(types), types, **words)


def _dot(layer, types):
    return _function(layer, "dot", _endings(types), types)


def _endings(types):
    x, kernel, total = types
    return [x, kernel.ending, total]


def _function(layer, template, endings, types, **words):
    """Add a function that multiplies by a kernel; return its name."""
    x, kernel, total = types
    words |= {"x": x.name, "w": kernel.type.name, "t": total.name, "weight": kernel.weight}
    return layer.library.add(template, *endings, **words)
