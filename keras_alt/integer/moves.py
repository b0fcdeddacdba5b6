"""Integer form of Keras' operators that only move values."""

import functools

from keras_alt.graph import Call
from keras_alt.integer.program import NotIntegerError
from keras_alt.integer.reader import Reader, handles
from keras_alt.integer.variables import Variable, concatenate
from keras_alt.moves import MOVES, moves_of


@handles(*MOVES)
def _moved(reader: Reader, call: Call) -> list[Variable]:
    outputs = moves_of(call)
    if outputs is None:
        raise NotIntegerError(
            f"Operator '{call.layer.name}' must leave the batch alone, and move along axes of "
            f"known size to constant places. Received: shapes {call.inputs[0].shape} and "
            f"{call.outputs[0].shape}"
        )
    x = reader.operand(call)
    return [functools.reduce(_step, moves, x) for moves in outputs]


def _step(x, move):
    return x.apply(move.operation, **move.attributes)


@handles("Stack")
def _stack(reader: Reader, call: Call) -> Variable:
    operands, rank = reader.operands(call), len(call.outputs[0].shape)
    axis = call.layer.axis % rank
    if axis == 0 or None in call.outputs[0].shape[1:]:
        raise NotIntegerError(
            f"Operator '{call.layer.name}' must leave the batch alone, and stack tensors of known "
            f"size. Received: axis={call.layer.axis}, shape={call.outputs[0].shape}"
        )
    shape = tuple(1 if i == axis else n for i, n in enumerate(call.outputs[0].shape))[1:]
    return concatenate(*(x.reshape(shape, name=x.tensor.name) for x in operands), axis=axis)
