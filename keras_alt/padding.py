"""Keras' padding rules as numbers of cells."""


def paddings(rule, space, window, strides, dilation):
    """Return the padding of each spatial axis as `(before, after)`, in cells.

    Args:
        rule: "valid", "same" or "causal".
        space: size of the input along each spatial axis.
        window, strides, dilation: those of the convolution or pool, along each spatial axis.
    """
    if rule == "valid":
        return ((0, 0),) * len(space)
    extents = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    if rule == "causal":
        return tuple((extent - 1, 0) for extent in extents)
    pairs = []
    for n, extent, s in zip(space, extents, strides, strict=True):
        total = max((-(-n // s) - 1) * s + extent - n, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)
