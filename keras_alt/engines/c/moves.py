"""Operations that only move codes, as C."""

from __future__ import annotations

import numpy as np

from keras_alt.engines.c.layer import Layer, loop
from keras_alt.engines.c.places import merged, strides
from keras_alt.engines.c.types import scaled, stored
from keras_alt.handlers import Handlers
from keras_alt.integer import Step

MOVES = Handlers()
COUNTERS = "abdefghklmn"


@MOVES.handles("pad")
def _pad(layer: Layer, step: Step):
    shape, steps = layer.output.shape, strides(layer.output.shape)
    x, tensor, _ = layer.operand(step)
    before = [first for first, _ in step.attributes["padding"]]
    start = _start(before, shape)
    layer.body += loop("i", int(np.prod(shape)), ["y[i] = 0;"])
    axes = zip(tensor.shape, strides(tensor.shape), steps, strict=True)
    layer.body += _copied(list(axes), x, _offset("y", start), layer)


@MOVES.handles("crop")
def _crop(layer: Layer, step: Step):
    x, tensor, _ = layer.operand(step)
    start = _start([first for first, _ in step.attributes["cropping"]], tensor.shape)
    steps = strides(tensor.shape)
    axes = zip(layer.output.shape, steps, strides(layer.output.shape), strict=True)
    layer.body += _copied(list(axes), _offset(x, start), "y", layer)


@MOVES.handles("transpose")
def _transpose(layer: Layer, step: Step):
    x, tensor, _ = layer.operand(step)
    steps = strides(tensor.shape)
    steps = [steps[axis - 1] for axis in step.attributes["axes"][1:]]
    axes = zip(layer.output.shape, steps, strides(layer.output.shape), strict=True)
    layer.body += _copied(list(axes), x, "y", layer)


@MOVES.handles("repeat")
def _repeat(layer: Layer, step: Step):
    x, tensor, _ = layer.operand(step)
    at, repeats = step.attributes["axis"] - 1, step.attributes["repeats"]
    shape = (*tensor.shape[: at + 1], repeats, *tensor.shape[at + 1 :])
    steps = strides(tensor.shape)
    steps.insert(at + 1, 0)
    layer.body += _copied(list(zip(shape, steps, strides(shape), strict=True)), x, "y", layer)


@MOVES.handles("take")
def _take(layer: Layer, step: Step):
    x, tensor, _ = layer.operand(step)
    at = step.attributes["axis"] - 1
    cells = np.array(step.attributes["indices"])
    inner = int(np.prod(tensor.shape[at + 1 :]))
    outer = int(np.prod(tensor.shape[:at]))
    array, _ = layer.constants.add(f"{step.layer}_cells", cells, "cells that are taken, in order")
    n, whole = len(cells), tensor.shape[at] * inner
    read = f"{x}[a * {whole} + {array}[b] * {inner} + d]"
    lines = [f"y[(a * {n} + b) * {inner} + d] = {read};"]
    layer.body += loop("a", outer, loop("b", n, loop("d", inner, lines)))


@MOVES.handles("concatenate")
def _concatenate(layer: Layer, step: Step):
    shape, steps = layer.output.shape, strides(layer.output.shape)
    at = step.attributes["axis"] % (len(shape) + 1) - 1
    start = 0
    for position, shift in zip(step.inputs, step.attributes["shifts"], strict=True):
        tensor, x = layer.program.tensors[position], layer.parameters[position]
        axes = list(zip(tensor.shape, strides(tensor.shape), steps, strict=True))
        target = _offset("y", start * int(np.prod(shape[at + 1 :])))
        layer.body += _copied(axes, x, target, layer, shift)
        start += tensor.shape[at]


def _copied(axes, x, y, layer, shift=0):
    """Return loops that copy cells: `(cells, step in x, step in y)` for each axis."""
    blocks = merged(axes) or [(1, 0, 0)]
    counters = COUNTERS[: len(blocks)]
    read, written = (
        " + ".join(
            _times(n, block[which])
            for n, block in zip(counters, blocks, strict=True)
            if block[which]
        )
        for which in (1, 2)
    )
    ctype = stored(layer.output)
    code = f"{x}[{read or 0}]"
    code = f"({ctype.name})({scaled(f'({ctype.name}){code}', shift)})" if shift else code
    lines = [f"{y}[{written or 0}] = {code};"]
    for counter, (n, *_) in reversed(list(zip(counters, blocks, strict=True))):
        lines = loop(counter, n, lines)
    return lines


def _times(counter, step):
    return counter if step == 1 else f"{step} * {counter}"


def _start(before, shape):
    """Return how many codes lie in front of a cell."""
    steps = [int(np.prod(shape[j + 1 :])) for j in range(len(shape))]
    return sum(n * step for n, step in zip(before, steps, strict=True))


def _offset(name, start):
    return f"({name} + {start})" if start else name
