"""Histograms and trajectories as paths of SVG."""

import math
import re
from bisect import bisect_left

import numpy as np

from keras_alt.fits import BINS, SPAN

BARS = 64  # at most, in a histogram
WIDTH, HEIGHT, FLOOR = 240, 84, 70  # of a histogram; FLOOR is where bars begin
COURSE = (900, 320)  # size of the trajectories
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 24  # margins of the trajectories
NAMED = 8  # trajectories with a name, those that move most
POINTS = 160  # at most, of a trajectory
CHANNEL = re.compile(r"(.*)\[\d+\]", re.DOTALL)  # name of the threshold of a channel
PER_UNIT = BINS // (2 * SPAN)


def histogram(fit) -> dict:
    """Return the picture of the values that a quantizer saw, a `keras_alt.fits.Fit`.

    Heights are logarithmic, so that the few values at the ends can be seen.

    Returns:
        Paths of the bars whose values are mostly inside or outside the range of the codes, `counts`
        of the bars, and positions. `at` is a function of a value in clipping limits.
    """
    low, high = fit.ends()
    used = np.flatnonzero(fit.counts)
    first, last = (min(used[0], _bin(low)), max(used[-1], _bin(high))) if used.size else (0, BINS)
    step = 2 ** max(0, math.ceil(math.log2((last - first) / BARS)))
    edges = np.arange(first // step - 1, last // step + 3) * step
    counts, clipped = (
        [int(bins[max(edge, 0) : max(edge + step, 0)].sum()) for edge in edges[:-1]]
        for bins in (fit.counts, fit.clipped_counts)
    )
    begin, end = (_value(edge) for edge in (edges[0], edges[-1]))
    at = lambda value: round((value - begin) / (end - begin) * WIDTH, 1)  # noqa: E731
    tallest = math.log1p(max(counts)) or 1.0
    bars = {True: [], False: []}
    for edge, count, beyond in zip(edges, counts, clipped, strict=False):
        if count:
            height = max(1.5, math.log1p(count) / tallest * (FLOOR - 6))
            left, right = at(_value(edge)), at(_value(edge + step))
            bar = f"M{left} {FLOOR}V{FLOOR - height:.1f}H{right}V{FLOOR}z"
            bars[2 * beyond <= count].append(bar)
    return {
        "inside": "".join(bars[True]),
        "outside": "".join(bars[False]),
        "band": (at(low), round(at(high) - at(low), 1)),
        "at": at,
        "counts": counts,
    }


def _bin(value):
    return int((value + SPAN) * PER_UNIT)


def _value(edge):
    return edge / PER_UNIT - SPAN


def trajectories(steps, history: dict, frozen: dict) -> dict:
    """Return the picture of thresholds that train.

    Where channels have thresholds of their own, the lowest and the highest are drawn.

    Args:
        steps, history, frozen: as `ThresholdHistory` has them.

    Returns:
        Lines with paths, those with a name, grid lines where scales double, and labels.
    """
    kept = np.unique(np.linspace(0, len(steps) - 1, POINTS).round().astype(int))
    steps = [steps[index] for index in kept]
    history = {name: series[kept] for name, series in _ends_of_channels(history)}
    finite = np.concatenate([series[np.isfinite(series)] for series in history.values()])
    low, high = (math.floor(finite.min()), math.ceil(finite.max())) if finite.size else (0, 1)
    high = max(high, low + 1)
    width, height = COURSE
    across = (width - LEFT - RIGHT) / max(steps[-1] - steps[0], 1)
    x = [round(LEFT + (step - steps[0]) * across, 1) for step in steps]
    down = (height - TOP - BOTTOM) / (high - low)
    y = lambda value: round(TOP + (high - value) * down, 1)  # noqa: E731
    moved = {name: float(np.ptp(series)) for name, series in history.items()}
    named = sorted(moved, key=moved.get, reverse=True)[:NAMED]
    lines = {}
    for name, series in history.items():
        color = named.index(name) if name in named else None
        line = {"name": name, "color": color, "path": _polyline(x, map(y, series)), "stop": None}
        line |= {"first": series[0], "last": series[-1]}
        if name in frozen:
            index = min(bisect_left(steps, frozen[name]), len(steps) - 1)
            line["stop"] = (x[index], y(series[index]))
        lines[name] = line
    every = -(-(high - low) // 12)
    return {
        # Those with names lie on top.
        "lines": sorted(lines.values(), key=lambda line: line["color"] is not None),
        "named": [lines[name] for name in named],
        "grid": [(value, y(value)) for value in range(low, high + 1, every)],
        "size": COURSE,
        "left": LEFT,
        "right": width - RIGHT,
        "bottom": height - BOTTOM,
        "steps": (steps[0], steps[-1]),
    }


def _ends_of_channels(history):
    """Yield the name and the series of each threshold, two where each channel has one."""
    together = {}
    for name, series in history.items():
        channel = CHANNEL.fullmatch(name)
        together.setdefault(channel[1] if channel else name, []).append(series)
    for name, found in together.items():
        values = np.array(found, np.float64)
        if name in history:
            yield name, values[0]
        else:
            yield f"{name}, lowest", values.min(axis=0)
            yield f"{name}, highest", values.max(axis=0)


def _polyline(xs, ys):
    points = [f"{a} {b}" for a, b in zip(xs, ys, strict=True) if math.isfinite(b)]
    return f"M{'L'.join(points)}" if points else ""
