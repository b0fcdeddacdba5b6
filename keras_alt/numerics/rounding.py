"""The rounding rules of the engines, as functions of real-valued codes."""

from keras import ops


def half_even(z, format):
    """Nearest, ties to even: IEEE 754, the paper, XNNPACK convolutions, `AP_RND_CONV`."""
    return ops.round(z)


def half_up(z, format):
    """Nearest, ties towards plus infinity: XNNPACK's addition."""
    return ops.floor(z + 0.5)


def floor(z, format):
    """Towards minus infinity: the paper's average pool."""
    return ops.floor(z)


def half_away_stored(z, format):
    """Nearest, ties away from the stored code 0: LiteRT's average pool.

    LiteRT stores an unsigned code `c` as `c - 2**(bits - 1)`, and its pool rounds the stored code.
    """
    zero_point = 0 if format.signed else -(2 ** (format.bits - 1))
    stored = z + zero_point
    return ops.sign(stored) * ops.floor(ops.abs(stored) + 0.5) - zero_point


ROUNDINGS = {f.__name__: f for f in (half_even, half_up, floor, half_away_stored)}
