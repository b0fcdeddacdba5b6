"""Recurrent layers of a known number of steps, written out step by step."""

import warnings

import keras
from keras import regularizers

from keras_alt.graph import Call, Graph, rewrite
from keras_alt.keras_internals import timestep_mask
from keras_alt.quantizer import quantizers
from keras_alt.replacements import Additions
from keras_alt.transforms.inline import inline
from keras_alt.transforms.recurrent_steps import STEPS

L = keras.layers
RECURRENT = (L.LSTM, L.GRU, L.SimpleRNN, L.RNN)
MERGES = {"concat": L.Concatenate, "sum": L.Add, "mul": L.Multiply, "ave": L.Average}
CONSTRAINED = ("kernel_constraint", "recurrent_constraint", "bias_constraint", "bias_regularizer")
ELEMENTWISE = (type(None), regularizers.L1, regularizers.L2, regularizers.L1L2)
ODD = (keras.activations.sigmoid, keras.activations.hard_sigmoid)  # f(-x) = 1 - f(x)


def unroll(model: keras.Model) -> keras.Model:
    """Return a flat float copy of `model` with the steps of its recurrent layers written out.

    `quantize_model` makes integers of the copy: kernels, gates as tables, products and sums. All
    steps of a layer share its weights, and after `quantize_model` its thresholds. The number of
    steps must be known, and the graph grows with it.

    `LSTM`, `GRU`, `SimpleRNN`, `RNN` of their cells and `Bidirectional` are written out, with
    `return_sequences`, `return_state`, `go_backwards` and initial states. New layers are named
    after the old one: `<name>_input`, `<name>_recurrent`, `<name>_gates`, ... Layers with masks,
    state between batches, dropout, constraints or an open number of steps stay, with a warning.

    Args:
        model: built float `keras.Model`; not changed.

    Returns:
        Functional `keras.Model` that computes the same function, with weights of its own.

    Raises:
        ValueError: the model is quantized already.

    Example:

    ```python
    model = keras.Sequential(
        [keras.Input((16, 10)), keras.layers.GRU(12), keras.layers.Dense(3)]
    )
    config = keras_alt.QuantizeConfig(target="litert")
    quantized = keras_alt.quantize_model(keras_alt.unroll(model), config)
    ```
    """
    found = quantizers(model)
    if found:
        raise ValueError(
            "`unroll` expects a float model: call it before `quantize_model`. "
            f"Received: model '{model.name}' with quantizer '{next(iter(found))}'"
        )
    graph = Graph(inline(model))
    recurrent = {call: obstacle(call) for call in graph.calls if is_recurrent(call)}
    left = [f"{call.layer.name}: {reason}" for call, reason in recurrent.items() if reason]
    if left:
        warnings.warn(f"Recurrent layers that stay as they are: {'; '.join(left)}", stacklevel=2)
    additions = Additions(graph)

    def rule(call, new):
        if type(call.layer) is L.Bidirectional:
            return _bidirectional(call.layer, new(call.inputs[0]), additions)
        sequence, *states = new(call.inputs)
        steps = STEPS[type(call.layer.cell)](call.layer, call.layer.name, additions)
        outputs, states = _run(steps, sequence, states)
        result = _result(steps, outputs)
        if not call.layer.return_state:
            return result
        return [result, *(_flat(steps, state) for state in states)]

    return rewrite(graph, rule, [call for call, reason in recurrent.items() if reason is None])


def is_recurrent(call: Call) -> bool:
    """Return whether the called layer is recurrent."""
    return isinstance(call.layer, (L.RNN, L.Bidirectional))


def obstacle(call: Call) -> str | None:
    """Return why `unroll` leaves a recurrent layer as it is, None if it does not."""
    layer, sequence = call.layer, call.inputs[0]
    masked = call.kwargs.get("mask") is not None or len(call.args) > 2
    if masked or any(timestep_mask(tensor) is not None for tensor in call.inputs):
        return "it is masked"
    if len(sequence.shape) != 3 or None in sequence.shape[1:]:
        return "its number of steps is open"
    if type(layer) is not L.Bidirectional:
        return _obstacle_of(layer)
    if layer.return_state or len(call.inputs) > 1 or layer.stateful:
        return "its states are read or given in both directions"
    return _obstacle_of(layer.forward_layer) or _obstacle_of(layer.backward_layer)


def _obstacle_of(layer):
    cell = getattr(layer, "cell", None)
    if type(layer) not in RECURRENT or STEPS.get(type(cell)) is None:
        return "its cell is not that of LSTM, GRU or SimpleRNN"
    if layer.stateful:
        return "it keeps its state between batches"
    if cell.dropout or cell.recurrent_dropout:
        return "it has dropout"
    plain = layer.activity_regularizer is None
    plain = plain and all(getattr(cell, name) is None for name in CONSTRAINED)
    penalties = cell.kernel_regularizer, cell.recurrent_regularizer
    if not (plain and all(type(penalty) in ELEMENTWISE for penalty in penalties)):
        return "it has constraints or regularizers that dense layers cannot have"
    if type(cell) is L.GRUCell and cell.recurrent_activation not in ODD:
        return "its recurrent activation is not a sigmoid"
    return None


def _run(steps, sequence, states):
    """Return the outputs of all steps in the order of computation, and the last states."""
    states = [_row(steps, i, state) for i, state in enumerate(states)] or None
    outputs, inputs = [], steps.project(sequence)
    for x in reversed(inputs) if steps.layer.go_backwards else inputs:
        states = steps.step(x, states)
        outputs.append(states[0])
    return outputs, states


def _row(steps, index, state):
    shape = (1, steps.units)
    return steps.part(f"state_{index}", L.Reshape, target_shape=shape)(state)


def _result(steps, outputs):
    if not steps.layer.return_sequences:
        return _flat(steps, outputs[-1])
    if len(outputs) == 1:
        return outputs[0]
    return steps.part("sequence", L.Concatenate, axis=1)(outputs)


def _flat(steps, row):
    return steps.part("flat", L.Reshape, target_shape=(steps.units,))(row)


def _bidirectional(layer, sequence, additions):
    directions = {"forward": layer.forward_layer, "backward": layer.backward_layer}
    results = []
    for direction, one in directions.items():
        steps = STEPS[type(one.cell)](one, f"{layer.name}_{direction}", additions)
        outputs, _ = _run(steps, sequence, [])
        backward = direction == "backward" and one.return_sequences
        results.append(_result(steps, outputs[::-1] if backward else outputs))
    if layer.merge_mode is None:
        return results
    merge = MERGES[layer.merge_mode]
    make = lambda name: merge(name=name, dtype=layer.dtype_policy)  # noqa: E731
    return additions((layer, "merge"), f"{layer.name}_merged", make)(results)
