"""The cells that Keras pads with."""


def paddings(rule, space, window, strides, dilation):
    """Return `(before, after)` for each space axis, by Keras' rule of that name."""
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
