"""Writes products of two tensors, elementwise or of matrices."""

from string import ascii_lowercase

from keras_alt.engines.hls4ml.nodes import handles, repeats


@handles("product")
def _product(writer, step):
    shapes = [writer.program.tensors[position].shape for position in step.inputs]
    if repeats(*shapes):
        writer.give(step, "Mul", writer.at(step))
        return
    # An axis of size 1 is none of the Einstein sum, so the other tensor's is not summed.
    axes = [
        "".join(a for a, n in zip(ascii_lowercase, shape, strict=False) if n != 1)
        for shape in shapes
    ]
    _einsum(writer, step, axes, "".join(sorted(set(axes[0] + axes[1]))))


@handles("batch_matmul")
def _batch_matmul(writer, step):
    batch = ascii_lowercase[: len(writer.program.tensors[step.output].shape) - 2]
    _einsum(writer, step, [f"{batch}xy", f"{batch}yz"], f"{batch}xz")


def _einsum(writer, step, axes: list[str], result: str):
    """Write an Einstein sum; tensors may have axes of size 1 that it does not name."""
    sizes = {}
    shapes = [writer.program.tensors[position].shape for position in (*step.inputs, step.output)]
    for letters, shape in zip((*axes, result), shapes, strict=True):
        named = shape if len(letters) == len(shape) else [n for n in shape if n != 1]
        sizes.update(zip(letters, named, strict=True))
    first, second = ([sizes[axis] for axis in letters] for letters in axes)
    writer.give_layer(
        step,
        "Einsum",
        equation=f"{axes[0]},{axes[1]}->{result}",
        inp0_shape=first,
        inp1_shape=second,
        out_shape=shapes[-1],
    )
