"""LSTM, GRU and SimpleRNN as ONNX' operators."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.indexing import END, FIRST, sliced
from keras_alt.engines.onnx_float.unrolling import CONVOLUTIONAL, steps
from keras_alt.engines.onnx_float.writer import array_of, composes, no_form, writes_float

# ONNX' name of an activation between steps, with its constants alpha and beta.
GATES = {
    "sigmoid": ("Sigmoid",),
    "tanh": ("Tanh",),
    "relu": ("Relu",),
    "linear": ("Affine", 1, 0),
    "softsign": ("Softsign",),
    "softplus": ("Softplus",),
    "elu": ("Elu", 1),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
}


@writes_float(L.LSTM)
def _lstm(writer, call, sequence, initial_state=None, mask=None):
    """Reorder the gates: Keras has input, forget, cell, output; ONNX has i, o, f, c."""
    cell = call.layer.cell
    activations = [cell.recurrent_activation, cell.activation, cell.activation]
    parts = _parts(cell, order=[0, 3, 1, 2])
    return _recurrent(writer, call, "LSTM", parts, activations, sequence, initial_state, mask)


@writes_float(L.GRU)
def _gru(writer, call, sequence, initial_state=None, mask=None):
    """Both have the gates update, reset, candidate; the reset acts before or behind a product."""
    cell = call.layer.cell
    activations, parts = [cell.recurrent_activation, cell.activation], _parts(cell, [0, 1, 2])
    options = {"linear_before_reset": int(cell.reset_after)}
    return _recurrent(
        writer, call, "GRU", parts, activations, sequence, initial_state, mask, **options
    )


@writes_float(L.SimpleRNN)
def _simple_rnn(writer, call, sequence, initial_state=None, mask=None):
    cell = call.layer.cell
    parts = _parts(cell, order=[0])
    return _recurrent(writer, call, "RNN", parts, [cell.activation], sequence, initial_state, mask)


def _parts(cell, order) -> list[np.ndarray]:
    """Return kernel, recurrent kernel and biases of a cell in ONNX' order."""

    def gates(weight):  # the gates lie side by side along the last axis
        pieces = np.split(array_of(weight), len(order), axis=-1)
        return np.concatenate([pieces[i] for i in order], axis=-1)

    kernel, recurrent = gates(cell.kernel), gates(cell.recurrent_kernel)
    bias = np.zeros((2, kernel.shape[-1]))
    if cell.bias is not None:
        given = gates(cell.bias)
        bias = given if given.ndim == 2 else np.stack([given, np.zeros_like(given)])
    return [kernel.T[None], recurrent.T[None], bias.reshape(1, -1)]


def _recurrent(writer, call, kind, parts, activations, sequence, states, mask, **options):
    layer = call.layer
    names = [keras.activations.serialize(a) for a in activations]
    if layer.stateful:
        raise no_form(call, "stateful=True")
    if mask is not None or any(not isinstance(n, str) or n not in GATES for n in names):
        return writer.composed(lambda *args: steps(layer, *args), sequence, states, mask)
    kinds = [GATES[name] for name in names]
    options |= {"hidden_size": parts[1].shape[-1], "activations": [k[0] for k in kinds]}
    if alphas := [float(k[1]) for k in kinds if len(k) > 1]:
        options["activation_alpha"] = alphas
    if betas := [float(k[2]) for k in kinds if len(k) > 2]:
        options["activation_beta"] = betas
    x = writer.operand(sequence, "float32")
    if layer.go_backwards:
        x = sliced(writer, x, [(1, END, FIRST, -1)])
    x = writer.transposed(x, [1, 0, 2])
    weights = [writer.constant(part, "float32") for part in parts]
    begins = [writer.add("Unsqueeze", writer.operand(s, "float32"), [0]) for s in _list(states)]
    begins = ["", *begins] if begins else []
    count = 3 if kind == "LSTM" else 2
    every, *last = writer.several(kind, count, x, *weights, *begins, **options)
    last = [writer.add("Squeeze", state, [0]) for state in last]
    output = last[0]
    if layer.return_sequences:
        output = writer.transposed(writer.add("Squeeze", every, [1]), [1, 0, 2])
    return [output, *last] if layer.return_state else output


def _list(states):
    return [] if states is None else list(states) if isinstance(states, (list, tuple)) else [states]


@composes(L.RNN, *CONVOLUTIONAL)
def _rnn(layer, sequence, initial_state=None, mask=None):
    """Apply a cell that ONNX does not know to one step after the other."""
    return steps(layer, sequence, initial_state, mask)


@composes(L.Bidirectional)
def _bidirectional(layer, sequence, initial_state=None, mask=None):
    forward = backward = None
    if initial_state is not None:
        half = len(initial_state) // 2
        forward, backward = initial_state[:half], initial_state[half:]
    options = {} if mask is None else {"mask": mask}
    one = layer.forward_layer(sequence, initial_state=forward, **options)
    two = layer.backward_layer(sequence, initial_state=backward, **options)
    states = []
    if layer.return_state:
        (one, *first), (two, *second) = one, two
        states = [*first, *second]
    if layer.return_sequences:
        two = ops.flip(two, axis=1)
    merged = {
        "concat": lambda: [ops.concatenate([one, two], axis=-1)],
        "sum": lambda: [one + two],
        "ave": lambda: [(one + two) / 2],
        "mul": lambda: [one * two],
        None: lambda: [one, two],
    }
    return [*merged[layer.merge_mode](), *states]
