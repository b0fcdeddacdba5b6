"""Writes the operations of an integer program as ONNX nodes."""

from collections.abc import Callable

import numpy as np

from keras_alt.engines import onnx_halves, onnx_softmax
from keras_alt.engines.fitting import ExportError
from keras_alt.engines.handler import Handler
from keras_alt.handlers import Handlers

NODES = Handlers()


def handles(*operations: str) -> Callable[[Handler], Handler]:
    """Return a decorator that registers a function as the writer of these operations.

    The function writes ONNX and QONNX. Its `writer` is a
    `keras_alt.engines.onnx_graph.GraphWriter`. It does one of

    - `writer.compute(step, kind, *constants, **attributes)`: the node computes with values, and a
      quantizer follows.
    - `writer.move(step, kind, *constants, **attributes)`: the node only moves codes.
    - `writer.sums[step.output] = name`: the name of a float value from `writer.add`.

    Channels are first. `writer.axis` returns the ONNX position of an axis.
    """
    return NODES.handles(*operations)


@handles("convolve")
def _convolve(writer, step):
    a, codes = step.attributes, step.attributes["kernel"].codes
    rank = codes.ndim
    kernel = codes.transpose(rank - 1, rank - 2, *range(rank - 2))
    inputs = [writer.constant(f"{writer.name(step.output)}/kernel", a["kernel"], kernel)]
    writer.compute(
        step,
        "Conv",
        *inputs,
        *_bias(writer, step),
        strides=a["strides"],
        dilations=a["dilation"],
        group=a["groups"],
        kernel_shape=codes.shape[:-2],
        pads=pads(a["padding"]),
    )


def pads(padding) -> list[int]:
    """Return padding in ONNX order: the cells before every axis, then those behind."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _bias(writer, step):
    """Return a list with the bias of a kernel's node, empty if there is none."""
    if step.output not in writer.biases:
        return []
    constant = writer.biases[step.output].attributes["constant"]
    return [writer.constant(f"{writer.name(step.output)}/bias", constant, constant.codes)]


@handles("convolve_transposed")
def _convolve_transposed(writer, step):
    a, codes = step.attributes, step.attributes["kernel"].codes
    space = writer.tensor(step.inputs[0]).shape[:-1]
    cells = zip(space, codes.shape, a["strides"], a["dilation"], a["crop"], a["size"], strict=False)
    after = [(n - 1) * s + (k - 1) * d + 1 - c - out for n, k, s, d, c, out in cells]
    kernel = writer.constant(
        f"{writer.name(step.output)}/kernel",
        a["kernel"],
        np.moveaxis(codes, (-1, -2), (0, 1)),
        axis=1,
    )
    writer.compute(
        step,
        "ConvTranspose",
        kernel,
        strides=a["strides"],
        dilations=a["dilation"],
        kernel_shape=codes.shape[:-2],
        pads=[*a["crop"], *(max(cells, 0) for cells in after)],
        output_padding=[max(-cells, 0) for cells in after],
    )


@handles("matrix_product")
def _matrix_product(writer, step):
    kernel, rank = step.attributes["kernel"], writer.rank(step.inputs[0])
    kind, codes, axis = "Gemm", kernel.codes, 1
    if rank > 2:  # a convolution, because ONNX Runtime may quantize the inputs of a MatMul again
        kind, codes, axis = "Conv", codes.T.reshape(*codes.T.shape, *[1] * (rank - 2)), 0
    name = writer.constant(f"{writer.name(step.output)}/kernel", kernel, codes, axis)
    writer.compute(step, kind, name, *_bias(writer, step))


@handles("add_constant")
def _add_constant(writer, step):
    position, constant = step.inputs[0], step.attributes["constant"]
    if writer.biases.get(position) is step:
        writer.sums[step.output] = writer.sums[position]
        return
    cells = (1,) * (writer.rank(position) - 2)
    codes = constant.codes.reshape(-1, *cells)
    name = writer.constant(f"{writer.name(step.output)}/bias", constant, codes)
    writer.compute(step, "Add", name)


@handles("multiply")
def _multiply(writer, step):
    constant, rank = step.attributes["constant"], writer.rank(step.output)
    codes = constant.codes
    if codes.ndim and rank > 2:
        codes = np.moveaxis(codes.reshape(*[1] * (rank - codes.ndim), *codes.shape), -1, 1)
    if onnx_halves.needed(writer.program, step):
        writer.sums[step.output] = onnx_halves.product(writer, step, codes)
        return
    name = writer.constant(f"{writer.name(step.output)}/factor", constant, codes)
    writer.compute(step, "Mul", name)


@handles("clip")
def _clip(writer, step):
    exponent = writer.tensor(step.inputs[0]).exponent
    bounds = [step.attributes[name] for name in ("low", "high")]
    if bounds == [0, None]:
        writer.compute(step, "Relu")
    else:
        values = [None if bound is None else np.float32(bound * 2.0**exponent) for bound in bounds]
        writer.compute(step, "Clip", *(_optional(writer, value) for value in values))
    if step.inputs[0] in writer.held:
        writer.store_sum(step.output)


def _optional(writer, value):
    """Return the name of a bound, or an empty name if there is no bound."""
    return "" if value is None else writer.initializer(f"clip{len(writer.initializers)}", value)


@handles("requantize")
def _requantize(writer, step):
    position, rounding = step.inputs[0], step.attributes["rounding"]
    value = writer.regridded(position) if position in writer.held else writer.value(position)
    writer.held[step.output] = writer.store(value, step.output, rounding)


@handles("product")
def _product(writer, step):
    writer.compute(step, "Mul")


@handles("batch_matmul")
def _batch_matmul(writer, step):
    """Multiply matrices in Keras' order of axes."""
    rank = writer.rank(step.output)
    inputs = [writer.last(writer.value(position), rank) for position in step.inputs]
    value = writer.add("MatMul", inputs, f"{writer.name(step.output)}/MatMul")
    writer.sums[step.output] = writer.first(value, rank)


@handles("lookup")
def _lookup(writer, step):
    """Take the entries of a table: ONNX has no operator that maps bytes."""
    table, name = step.attributes["table"], writer.name(step.output)
    index = writer.index(step.inputs[0], step.attributes["first"])
    writer.held[step.output] = writer.taken(table, index, step.output, name)


@handles("constant_tensor")
def _constant_tensor(writer, step):
    constant, codes = step.attributes["constant"], step.arguments["constant"][None]
    codes = np.moveaxis(codes, -1, 1) if codes.ndim > 2 else codes
    name = f"{writer.name(step.output)}/constant"
    writer.sums[step.output] = writer.constant(name, constant, codes)


@handles("softmax")
def _softmax(writer, step):
    writer.sums[step.output] = onnx_softmax.probabilities(writer, step)


@handles("add", "subtract")
def _add(writer, step):
    kind = {"add": "Add", "subtract": "Sub"}[step.operation]
    value, *others = [writer.value(p) for p in step.inputs]
    for number, other in enumerate(others):
        value = writer.add(kind, [value, other], f"{writer.name(step.output)}/{kind}{number}")
    writer.sums[step.output] = value


@handles("maximum", "minimum")
def _extreme(writer, step):
    _one_grid(writer, step)
    writer.compute(step, {"maximum": "Max", "minimum": "Min"}[step.operation])
    writer.store_sum(step.output)


def _one_grid(writer, step):
    grids = {(t.exponent, t.format) for t in map(writer.tensor, step.inputs)}
    if len(grids) > 1:
        raise ExportError(
            f"ONNX needs one scale and format for all operands of '{step.layer}': put one "
            f"`Quantizer` behind each of them, as `quantize_model` does. Received: {len(grids)}"
        )


@handles("concatenate")
def _concatenate(writer, step):
    _one_grid(writer, step)
    writer.move(step, "Concat", axis=writer.axis(step.attributes["axis"], writer.rank(step.output)))


@handles("window_sum")
def _average_pool(writer, step):
    a = step.attributes
    writer.compute(
        step,
        "AveragePool",
        kernel_shape=a["window"],
        strides=a["strides"],
        pads=pads(a["padding"]),
        count_include_pad=0,
    )


@handles("window_maximum")
def _maximum_pool(writer, step):
    a = step.attributes
    writer.move(
        step,
        "MaxPool",
        kernel_shape=a["window"],
        strides=a["strides"],
        pads=pads(a["padding"]),
    )


@handles("reduce_sum")
def _mean(writer, step):
    axes, rank = step.attributes["axes"], writer.rank(step.inputs[0])
    if rank != 4 or tuple(axes) != (1, 2):
        writer.sums[step.output] = _reduced(writer, step, "ReduceMean")
        return
    writer.compute(step, "GlobalAveragePool")
    if not step.attributes["keepdims"]:
        value = writer.sums[step.output]
        writer.sums[step.output] = writer.add("Squeeze", [value, writer.integers([2, 3])])


@handles("total")
def _total(writer, step):
    writer.sums[step.output] = _reduced(writer, step, "ReduceSum")


@handles("reduce_maximum", "reduce_minimum")
def _extreme_over_axes(writer, step):
    kinds = {"reduce_maximum": "ReduceMax", "reduce_minimum": "ReduceMin"}
    value = _reduced(writer, step, kinds[step.operation])
    writer.held[step.output] = writer.store(value, step.output)


def _reduced(writer, step, kind):
    """Reduce a value, in Keras' order if the channels vanish and other axes stay."""
    rank, axes = writer.rank(step.inputs[0]), step.attributes["axes"]
    keepdims = step.attributes["keepdims"]
    value, left = writer.value(step.inputs[0]), rank - len(axes)
    reordered = rank - 1 in axes and left > 1 and not keepdims
    if reordered:
        value = writer.last(value, rank)
    else:
        axes = sorted(writer.axis(axis, rank) for axis in axes)
    inputs, attributes = writer.axes(kind, axes)
    name = f"{writer.name(step.output)}/{kind}"
    value = writer.add(kind, [value, *inputs], name, keepdims=int(keepdims), **attributes)
    return writer.first(value, left) if reordered else value


@handles("pad")
def _pad(writer, step):
    padding = [(0, 0), *step.attributes["padding"]]
    rank = len(padding)
    moved = [None] * rank
    for axis, pair in enumerate(padding):
        moved[writer.axis(axis, rank)] = pair
    writer.move(step, "Pad", pads(moved), *writer.padding_value(step.output))


@handles("crop")
def _crop(writer, step):
    shape, rank = writer.tensor(step.output).shape, writer.rank(step.output)
    cropping = step.attributes["cropping"]
    axes = [writer.axis(axis, rank) for axis in range(1, rank)]
    starts = [before for before, _ in cropping]
    ends = [
        before + size if size is not None else -after or np.iinfo(np.int64).max
        for (before, after), size in zip(cropping, shape, strict=True)
    ]
    writer.move(step, "Slice", starts, ends, axes)


@handles("reshape")
def _reshape(writer, step):
    before, after = writer.rank(step.inputs[0]), writer.rank(step.output)
    value, name = writer.last(writer.at(step.inputs[0]), before), writer.name(step.output)
    shape = writer.integers((-1, *step.attributes["shape"]))
    value = writer.add("Reshape", [value, shape], f"{name}/last" if after > 2 else name)
    writer.held[step.output] = writer.first(value, after, name)


@handles("transpose")
def _transpose(writer, step):
    axes, rank = step.attributes["axes"], writer.rank(step.output)
    perm = [None] * rank
    for axis, source in enumerate(axes):
        perm[writer.axis(axis, rank)] = writer.axis(source, rank)
    writer.move(step, "Transpose", perm=perm)


@handles("take")
def _take(writer, step):
    axis = writer.axis(step.attributes["axis"], writer.rank(step.output))
    writer.move(step, "Gather", step.attributes["indices"], axis=axis)


@handles("repeat")
def _repeat(writer, step):
    rank = writer.rank(step.output)
    scales = np.ones(rank, np.float32)
    scales[writer.axis(step.attributes["axis"], rank)] = step.attributes["repeats"]
    name = writer.initializer(f"{writer.name(step.output)}/scales", scales)
    writer.move(
        step,
        "Resize",
        "",
        name,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
