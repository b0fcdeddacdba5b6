"""The rounding rules of the engines, as functions of real-valued codes.

A rule takes the codes, their format, and the step of the grid that the codes lie on before they are
rounded, in units of codes. Only the rules in `STEPPED` need this step; for others it may be None.
"""

from collections.abc import Callable

from keras import ops

from keras_alt.choices import is_choice


def half_even(z, format, step=None):
    """Nearest, ties to even: IEEE 754, the paper, XNNPACK convolutions, `AP_RND_CONV`."""
    return ops.round(z)


def half_up(z, format, step=None):
    """Nearest, ties towards plus infinity: XNNPACK's addition."""
    return ops.floor(z + 0.5)


def half_away(z, format, step=None):
    """Nearest, ties away from zero: TFLM's addition."""
    # In float32, 0.5 minus its last digit plus 0.5 is 1. A half is added to halves only.
    return ops.sign(z) * ops.floor(0.5 * ops.floor(2.0 * ops.abs(z)) + 0.5)


def floor(z, format, step=None):
    """Towards minus infinity: the paper's average pool."""
    return ops.floor(z)


def half_away_stored(z, format, step=None):
    """Nearest, ties away from the stored code 0: LiteRT's average pool.

    LiteRT stores an unsigned code `c` as `c - 2**(bits - 1)`, and its pool rounds the stored code.
    """
    zero_point = 0 if format.signed else -(2 ** (format.bits - 1))
    return half_away(z + zero_point, format) - zero_point


def double(z, format, step):
    """Half up to twice the step, then nearest with ties away from zero: TFLM's kernels.

    They multiply by a number of 31 bits and keep the upper half, then shift. Both round.
    """
    twice = ops.minimum(2.0 * step, 1.0)  # what lies on a coarser grid is not rounded
    return half_away(twice * half_up(z / twice, format), format)


ROUNDINGS: dict[str, Callable] = {
    f.__name__: f for f in (half_even, half_up, half_away, floor, half_away_stored, double)
}
STEPPED = ("double",)


def require_rounding(argument: str, name: str):
    """Check that the argument called so names a rule.

    Raises:
        ValueError: it does not.
    """
    if not is_choice(name, ROUNDINGS):
        raise ValueError(
            f"`{argument}` must be one of {sorted(ROUNDINGS)}. Received: {argument}={name!r}"
        )
