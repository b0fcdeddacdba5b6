"""Recurrent layers as one application of their cell for each step."""

import math

from keras import layers as L
from keras import ops, tree

CONVOLUTIONAL = L.ConvLSTM1D, L.ConvLSTM2D, L.ConvLSTM3D


def steps(layer, sequence, states=None, mask=None):
    """Return what a recurrent layer returns, for a sequence of known length.

    Args:
        layer: `keras.layers.RNN` or a subclass that differs in its cell only.
        sequence: symbolic tensor of shape `(batch, steps, ...)`.
        states: initial states; zeros by default.
        mask: symbolic tensor of shape `(batch, steps)`. A step that it leaves out keeps the states.
    """
    if sequence.shape[1] is None or layer.stateful:
        raise NotImplementedError(
            f"{sequence.shape[1]} steps, stateful={layer.stateful}, in a form that is unrolled"
        )
    order = range(sequence.shape[1])
    if states is None:
        states = [_zeros(sequence, shape) for shape in _state_shapes(layer, sequence)]
    states = tree.flatten(states)
    outputs = []
    for t in reversed(order) if layer.go_backwards else order:
        output, new = layer.cell(sequence[:, t], _as_taken(layer, states))
        new = tree.flatten(new)
        if mask is not None:
            seen = ops.expand_dims(ops.cast(mask[:, t], "bool"), -1)
            new = [ops.where(seen, a, b) for a, b in zip(new, states, strict=True)]
            output = ops.where(seen, output, _before(layer, outputs, output))
        outputs.append(output)
        states = new
    result = ops.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]
    return [result, *states] if layer.return_state else result


def _before(layer, outputs, output):
    """Return what a step gives that the mask leaves out."""
    if layer.zero_output_for_mask or not outputs:
        return ops.zeros_like(output)
    return outputs[-1]


def _as_taken(layer, states):
    """Return states in the structure that the cell takes: stacked cells have a list for each."""
    is_stacked = isinstance(layer.cell, L.StackedRNNCells)
    return tree.pack_sequence_as(layer.state_size, states) if is_stacked else states


def _state_shapes(layer, sequence):
    """Return the shapes of the states of one sample."""
    if isinstance(layer, CONVOLUTIONAL):
        output = layer.compute_output_shape(sequence.shape)
        output = output[0] if layer.return_state else output
        return [output[2 if layer.return_sequences else 1 :]] * 2
    states = tree.flatten(layer.cell.get_initial_state(batch_size=1))
    return [state.shape[1:] for state in states]


def _zeros(sequence, shape):
    """Return zeros of a state's shape for every sample of the batch."""
    one = ops.zeros_like(sequence[(slice(None), *[0] * (len(sequence.shape) - 1))])
    zeros = ops.tile(ops.expand_dims(one, -1), (1, math.prod(shape)))
    return ops.reshape(zeros, (-1, *shape))
