"""The choice between the two codes around each weight, by what a layer computes with them."""

import numpy as np

from keras_alt.formats import FixedPoint

SWEEPS = 3
BLOCK = 256  # inputs whose products with each other are held at a time
RIDGE = 0.01  # of the mean square of an input, beside what few positions need


def rounded(
    kernel: np.ndarray, exponent: int | np.ndarray, format: FixedPoint, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return weights on the grid such that `x @ weights` is as near to `y` as possible.

    Each weight takes one of the two codes around it: in turn the one that lowers the mean squared
    error of the outputs, given all others. Nagel et al. (2020, arXiv 2004.10568, eq. 13) state this
    problem for each layer and relax it; descent along single weights needs no gradients. Where
    inputs are few, the distance to the float weights counts too.

    Args:
        kernel: float weights, shape (groups, inputs, outputs).
        exponent: log2 of the scale, one for all weights or of shape (groups, 1, outputs).
        format: of the codes.
        x: inputs that the layer will see, shape (groups, positions, inputs).
        y: outputs that it should have, shape (groups, positions, outputs).

    Returns:
        float32 array of the shape of `kernel`.
    """
    scale = 2.0**exponent
    w = kernel.astype(np.float32) / scale
    low, high = (np.clip(f(w), format.qmin, format.qmax) for f in (np.floor, np.ceil))
    codes = np.clip(np.rint(w), format.qmin, format.qmax)
    x, y = (a.astype(np.float32) for a in (x, y / scale))
    count, inputs = x.shape[1:]
    ridge = np.square(x).mean((1, 2)) * (RIDGE + inputs / count)
    blocks = [slice(i, i + BLOCK) for i in range(0, inputs, BLOCK)]
    products = [_products(x[..., block], ridge) for block in blocks]
    error = x @ codes - y
    for _ in range(SWEEPS):
        for block, product in zip(blocks, products, strict=True):
            old = codes[:, block].copy()
            gradient = np.swapaxes(x[..., block], 1, 2) @ error / count
            gradient += ridge[:, None, None] * (old - w[:, block])
            _descend(codes[:, block], gradient, product, low[:, block], high[:, block])
            error += x[..., block] @ (codes[:, block] - old)
    return (codes * scale).astype(np.float32)


def _products(x, ridge):
    return np.swapaxes(x, 1, 2) @ x / x.shape[1] + ridge[:, None, None] * np.eye(
        x.shape[2], dtype="float32"
    )


def _descend(codes, gradient, products, low, high):
    """Give each input in turn its best codes, in place. `gradient` is half that of the error."""
    for i in range(codes.shape[1]):
        curvature = products[:, i, i, None]
        live = curvature > 0
        best = codes[:, i] - gradient[:, i] / np.where(live, curvature, 1.0)
        new = np.where(2.0 * best > low[:, i] + high[:, i], high[:, i], low[:, i])
        change = np.where(live, new - codes[:, i], 0.0)
        if change.any():
            codes[:, i] += change
            gradient += products[:, :, i, None] * change[:, None]
