"""Keras' padding rules as numbers of cells."""


def paddings(rule, space, window, strides, dilation):
    """Return the padding of each spatial axis as `(before, after)`, in cells.

    Args:
        rule: "valid", "same" or "causal".
        space: size of the input along each spatial axis. None is an open size, for which the
            padding must be fixed; see `is_fixed`.
        window, strides, dilation: those of the convolution or pool, along each spatial axis.
    """
    if rule == "valid":
        return ((0, 0),) * len(space)
    extents = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    if rule == "causal":
        return tuple((extent - 1, 0) for extent in extents)
    pairs = []
    for n, extent, s in zip(space, extents, strides, strict=True):
        last = 0 if n is None else (-(-n // s) - 1) * s - n + s
        total = max(last + extent - s, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def is_fixed(rule, space, window, strides, dilation) -> bool:
    """Return whether the padding is the same whatever the open sizes are.

    Args:
        rule, space, window, strides, dilation: as for `paddings`.
    """
    if rule != "same":
        return True
    axes = zip(space, window, strides, dilation, strict=True)
    return all(n is not None or s == 1 or d * (k - 1) == 0 for n, k, s, d in axes)
