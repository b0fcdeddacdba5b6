"""What the C functions of `one_pass.c` take, for the backends that call them."""

import functools
import math
import os

from keras_alt.numerics.contract import Rules

ROUNDINGS = ("half_even", "half_up", "half_away", "floor", "half_away_stored", "double")


@functools.cache
def fields(rules: Rules) -> tuple[int | float, ...]:
    """Return the fields of `Rules` in `one_pass.c`, of which the first two are integers."""
    format, rounding, relu_max = rules
    return (
        ROUNDINGS.index(rounding),
        format.bits - int(format.signed),
        float(format.qmin),
        float(format.qmax),
        float("-inf") if relu_max is None else 0.0,
        float("inf") if relu_max is None else float(relu_max),
        0.0 if format.signed else -(2.0 ** (format.bits - 1)),
    )


@functools.lru_cache(maxsize=4096)
def channels(shape: tuple, of_threshold: tuple) -> tuple[int, ...] | None:
    """Return `(outer, channels, inner)`, whose product is the size of a tensor.

    It is empty for one threshold, and None if axes of channels do not follow one another, or if a
    graph does not know a size.
    """
    if {0, None} & {*of_threshold}:
        return None
    axes = [axis for axis, size in enumerate(of_threshold) if size > 1]
    if not axes:
        return ()
    first, last = axes[0], axes[-1] + 1
    if None in shape or len(shape) != len(of_threshold):
        return None
    if shape[first:last] != of_threshold[first:last]:
        return None
    return tuple(math.prod(part) for part in (shape[:first], shape[first:last], shape[last:]))


def threads() -> int:
    """Return how many cores this process may use."""
    of_process = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return of_process or os.cpu_count() or 1


def adds(x, bias, log2_thresholds, rules) -> bool:
    """Return whether the C functions compute a sum of these tensors and its quantizers."""
    of_thresholds = (tuple(log2_threshold.shape) for log2_threshold in log2_thresholds)
    return (
        tuple(bias.shape) == tuple(x.shape)[-1:]
        and all(math.prod(of_threshold) == 1 for of_threshold in of_thresholds)
        and [rounding for _, rounding, _ in rules[1:]] in ([], ["half_even"])
    )


def single_steps(fake_quant, x, bias, log2_thresholds, rules, exponent):
    """Return the sum of `fake_quant_sum` by a backend's `fake_quant`, step by step."""
    for log2_threshold, accumulator in zip(log2_thresholds[1:], rules[1:], strict=True):
        x = fake_quant(x, log2_threshold, accumulator, True, None)
    return fake_quant(x + bias, log2_thresholds[0], rules[0], True, exponent)
