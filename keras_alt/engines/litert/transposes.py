"""Permutations of axes as LiteRT operators."""

import math

from keras_alt.engines.litert.operators import handles

AXES = 5  # TFLM transposes no more


@handles("transpose")
def _transpose(writer, step):
    """Permute up to `AXES` axes as they are, and more as the fewest that move the same values."""
    before = writer.program.tensors[step.inputs[0]].shape
    after, axes = writer.program.tensors[step.output].shape, step.attributes["axes"]
    shape, merged = before, axes
    if len(axes) > AXES and None not in before:
        shape, merged = merged_axes(before, axes)
    if len(merged) == len(axes):
        writer.move(step, "TRANSPOSE", axes)
        return
    tensor = writer.program.tensors[step.output]
    value = writer.reshaped(writer.at(step.inputs[0]), step.inputs[0], shape)
    name = f"{writer.name(step.output)}/merged"
    result = writer.add(tensor, name, tuple(shape[axis - 1] for axis in merged[1:]))
    order = writer.values(f"{step.layer}/TRANSPOSE{step.output}", merged)
    writer.file.operator("TRANSPOSE", [value, order], [result])
    sizes = writer.values(f"{writer.name(step.output)}/shape", (-1, *after))
    writer.file.operator("RESHAPE", [result, sizes], [writer.store(step.output)])


def merged_axes(shape, axes) -> tuple[tuple, tuple]:
    """Return the fewest axes whose permutation moves the same values.

    Axes that stay neighbours become one, and axes of length 1 vanish. The batch stays alone,
    because its size is not known.

    Args:
        shape: before the permutation, without the batch.
        axes: the permutation, the batch, which stays first, included.

    Returns:
        The shape to give the tensor first, and the permutation of its axes.
    """
    numbers = [axis for axis, size in enumerate(shape, start=1) if size != 1]
    runs = []  # of axes by their old numbers, in their new order
    for number in (numbers.index(axis) for axis in axes[1:] if axis in numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    order = sorted(runs)
    sizes = (math.prod(shape[numbers[number] - 1] for number in run) for run in order)
    return tuple(sizes), (0, *(order.index(run) + 1 for run in runs))
