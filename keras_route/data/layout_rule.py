"""The layout rule: one straight trunk, and a straight leg from each pin to it."""

import numpy as np

from keras_route.data.metal_choice import NO_WIRE, horizontal_trunk, wire_class
from keras_route.pins import PinSets


def draw_pins(pins: PinSets, images: np.ndarray) -> None:
    """Set the pins' pixels in the first channel of (N, H, W, C) images of uint8, in place."""
    per_net, per_row, per_column, _ = images.strides
    _memory(images)[pins.net * per_net + pins.y * per_row + pins.x * per_column] = 1


def draw_by_rule(pins: PinSets, window_um: float, labels: np.ndarray) -> None:
    """Draw nets as the published generator does (`gen_data.py`).

    The trunk runs along the longer extent of the pins, or along y if both are equal. It lies in the
    row or column of the mean of all pins, rounded down; repeated pins count. A leg joins each pin
    to the trunk; the leg of a pin on the trunk is one pixel. A via joins leg and trunk. Pins on one
    line have a trunk only.

    Args:
        pins: the pins of N nets, each inside the window and not all in one place.
        window_um: length of both sides of the window in micrometres.
        labels: (N, H, W, 8) zeros of uint8, changed in place: a contiguous array, or a view of one
            with its axes permuted.
    """
    _, height, width, _ = labels.shape
    (left, right), (top, bottom) = pins.extent(pins.x), pins.extent(pins.y)
    # The product first: equal extents of windows that are not square must not differ by rounding.
    extents = (right - left) * window_um / width, (bottom - top) * window_um / height
    lying = horizontal_trunk(*extents)
    horizontal, vertical = wire_class(*extents)
    trunk_layer, leg_layer = _trunk_first(lying, horizontal, vertical)
    first, last = np.where(lying, left, top), np.where(lying, right, bottom)
    line = pins.reduce(np.add, np.where(lying[pins.net], pins.y, pins.x)) // pins.counts

    # From here on, places are offsets into memory: along the trunk, across it, and to a layer.
    per_net, per_row, per_column, per_layer = labels.strides
    along_step, across_step = _trunk_first(lying, per_column, per_row)
    on_line = np.arange(len(pins)) * per_net + line * across_step
    trunks = on_line + trunk_layer * per_layer + first * along_step

    net = pins.net
    bent = (leg_layer != NO_WIRE)[net]
    net, x, y = net[bent], pins.x[bent], pins.y[bent]
    along, across = _trunk_first(lying[net], x, y)
    feet = on_line[net] + along * along_step[net]
    vias = feet + (horizontal + vertical)[net] // 2 * per_layer
    rise = across - line[net]
    legs = feet + leg_layer[net] * per_layer + np.minimum(rise, 0) * across_step[net]

    memory = _memory(labels)
    memory[_runs(trunks, along_step, last - first + 1)] = 1
    memory[_runs(legs, across_step[net], np.abs(rise) + 1)] = 1
    memory[vias] = 1
    draw_pins(pins, labels)


def _trunk_first(lying, of_x, of_y):
    """Return the value of the trunk's direction, then that of the other direction."""
    return np.where(lying, of_x, of_y), np.where(lying, of_y, of_x)


def _memory(images):
    """Return a flat view of an array in the order of its memory; its axes may be permuted."""
    return images.transpose(np.argsort(images.strides, kind="stable")[::-1]).reshape(-1)


def _runs(starts, steps, lengths):
    """Return the places of all runs: `start`, `start + step`, ..., `length` of them each."""
    before = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(before, lengths)
    return np.repeat(starts, lengths) + within * np.repeat(steps, lengths)
