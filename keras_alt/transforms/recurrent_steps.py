"""The steps of recurrent cells as dense layers, products, sums and functions."""

import keras
import numpy as np
from keras import ops

from keras_alt.graph import call_and_fill
from keras_alt.handlers import Handlers
from keras_alt.replacements import Additions

L = keras.layers
# `(layer, name, additions) -> Steps` for each type of cell.
STEPS = Handlers()


class Steps:
    """Writes the steps of one recurrent layer. All steps call the same layers.

    Tensors of a step have the shape `(batch, rows, units)`, with a row for each gate.

    Args:
        layer: recurrent layer with a `cell`.
        name: stem of the names of the new layers.
        additions: `Additions` that makes them.

    Attributes:
        order: blocks of columns of the cell's kernel, in the order of the rows.
        signs: factor of each block.
    """

    order: tuple[int, ...]
    signs: tuple[int, ...]

    def __init__(self, layer: keras.layers.Layer, name: str, additions: Additions):
        self.layer, self.name, self.additions = layer, name, additions
        self.cell, self.units = layer.cell, layer.cell.units

    def project(self, sequence) -> list:
        """Return what each step takes of the input. One dense layer computes it for all."""
        count, rows = sequence.shape[1], len(self.order)
        kernel, bias = self.blocks(self.cell.kernel), self.input_bias()
        x = self.dense("input", sequence, kernel, bias, self.cell.kernel_regularizer)
        x = self.reshaped("input_rows", x, rows * count)
        return [self.rows("step", x, rows * t, rows * (t + 1)) for t in range(count)]

    def step(self, x, states: list | None) -> list:
        """Return the states after a step; the first is the output.

        Args:
            x: what `project` gives for the step.
            states: states before the step; None for zeros.
        """
        raise NotImplementedError

    def input_bias(self):
        """Return the bias of the dense layer of the input, None without one."""
        return self.blocks(self.cell.bias) if self.cell.use_bias else None

    def blocks(self, weight, order=None):
        """Return the blocks of columns of a weight, in the order of the rows, with their signs."""
        blocks = np.split(ops.convert_to_numpy(weight), len(self.order), axis=-1)
        signs = dict(zip(self.order, self.signs, strict=True))
        return np.concatenate([blocks[i] * signs[i] for i in order or self.order], axis=-1)

    def recurrent(self, which, state, kernel, bias=None):
        """Return the rows that a dense layer computes of a state."""
        x = self.dense(which, state, kernel, bias, self.cell.recurrent_regularizer)
        return self.reshaped(f"{which}_rows", x, x.shape[-1] // self.units)

    def dense(self, which, x, kernel, bias, regularizer):
        layer = self.part(
            which,
            L.Dense,
            units=kernel.shape[-1],
            use_bias=bias is not None,
            kernel_regularizer=regularizer,
            trainable=self.layer.trainable and self.cell.trainable,
        )
        weights = [kernel] if bias is None else [kernel, bias]
        return call_and_fill(layer, lambda built: built.set_weights(weights), x)

    def reshaped(self, which, x, rows):
        if x.shape[1] == rows:
            return x
        return self.part(which, L.Reshape, target_shape=(rows, self.units))(x)

    def rows(self, which, x, start, stop):
        """Return the rows from `start` up to `stop`."""
        if stop - start == x.shape[1]:
            return x
        return self.part(which, L.Cropping1D, cropping=(start, x.shape[1] - stop))(x)

    def activation(self, which, function, x):
        return self.part(which, L.Activation, activation=function)(x)

    def merged(self, which, kind, *operands):
        return self.part(which, kind)(list(operands))

    def part(self, which, kind, **arguments):
        """Return the layer `<name>_<which>`, made at its first step."""
        make = lambda name: kind(**arguments, name=name, dtype=self.layer.dtype_policy)  # noqa: E731
        key = (self.layer, which, arguments.get("cropping"), arguments.get("target_shape"))
        return self.additions(key, f"{self.name}_{which}", make)


@STEPS.handles(L.SimpleRNNCell)
class SimpleSteps(Steps):
    """`h = activation(x + h @ U)`."""

    order, signs = (0,), (1,)

    def step(self, x, states):
        if states is not None:
            kernel = ops.convert_to_numpy(self.cell.recurrent_kernel)
            recurrent = self.recurrent("recurrent", states[0], kernel)
            x = self.merged("sum", L.Add, x, recurrent)
        return [self.activation("output", self.cell.activation, x)]


@STEPS.handles(L.LSTMCell)
class LSTMSteps(Steps):
    """Gates `i, f, o` and candidate `g`: `c = f * c + i * g`, `h = o * activation(c)`."""

    order, signs = (0, 1, 3, 2), (1, 1, 1, 1)  # Keras has i, f, g, o

    def step(self, x, states):
        h, c = (None, None) if states is None else states
        if h is not None:
            recurrent = self.recurrent("recurrent", h, self.blocks(self.cell.recurrent_kernel))
            x = self.merged("sum", L.Add, x, recurrent)
        gates = self.rows("gate_rows", x, 0, 3)
        gates = self.activation("gates", self.cell.recurrent_activation, gates)
        i, f, o = (self.rows(f"{gate}_gate", gates, n, n + 1) for n, gate in enumerate("ifo"))
        g = self.rows("candidate_row", x, 3, 4)
        g = self.activation("candidate", self.cell.activation, g)
        written = self.merged("written", L.Multiply, i, g)
        if c is None:
            c = written
        else:
            c = self.merged("cell", L.Add, self.merged("kept", L.Multiply, f, c), written)
        squashed = self.activation("squashed", self.cell.activation, c)
        return [self.merged("output", L.Multiply, o, squashed), c]


@STEPS.handles(L.GRUCell)
class GRUSteps(Steps):
    """Gates `1 - z` and `r`, candidate `g`: `h = h + (1 - z) * (g - h)`.

    The gate `1 - z` is the function of `-a` where `z` is that of `a`, so the columns of `z` change
    their sign.
    """

    order, signs = (0, 1, 2), (-1, 1, 1)

    def step(self, x, states):
        h = None if states is None else states[0]
        gates, candidate = self.rows("gate_rows", x, 0, 2), self.rows("candidate_row", x, 2, 3)
        kernel = self.cell.recurrent_kernel
        if h is not None:
            recurrent = self.recurrent("recurrent_gates", h, self.blocks(kernel, (0, 1)))
            gates = self.merged("gate_sum", L.Add, gates, recurrent)
        gates = self.activation("gates", self.cell.recurrent_activation, gates)
        update, reset = self.rows("u_gate", gates, 0, 1), self.rows("r_gate", gates, 1, 2)
        recurrent = self.recurrent_candidate(h, reset, candidate)
        if recurrent is not None:
            candidate = self.merged("candidate_sum", L.Add, candidate, recurrent)
        candidate = self.activation("candidate", self.cell.activation, candidate)
        if h is None:
            return [self.merged("update", L.Multiply, update, candidate)]
        difference = self.merged("difference", L.Subtract, candidate, h)
        update = self.merged("update", L.Multiply, update, difference)
        return [self.merged("output", L.Add, h, update)]

    def recurrent_candidate(self, h, reset, candidate):
        """Return what the state adds to the candidate, None for nothing."""
        kernel, bias = self.blocks(self.cell.recurrent_kernel, (2,)), None
        if not self.cell.reset_after:
            if h is None:
                return None
            h = self.merged("reset", L.Multiply, reset, h)
            return self.recurrent("recurrent_candidate", h, kernel)
        if self.cell.use_bias:
            bias = self.blocks(self.cell.bias[1], (2,))
            h = self.zeros(candidate) if h is None else h  # the bias is reset, too
        if h is None:
            return None
        recurrent = self.recurrent("recurrent_candidate", h, kernel, bias)
        return self.merged("reset", L.Multiply, reset, recurrent)

    def zeros(self, row):
        """Return zeros on the grid of a row: a row of padding."""
        padded = self.part("padded", L.ZeroPadding1D, padding=(0, 1))(row)
        return self.rows("zeros", padded, 1, 2)

    def input_bias(self):
        if not (self.cell.use_bias and self.cell.reset_after):
            return super().input_bias()
        of_input, of_state = ops.convert_to_numpy(self.cell.bias)
        gates = 2 * self.units  # no reset is between the two biases of a gate
        return self.blocks(of_input + np.where(np.arange(of_state.size) < gates, of_state, 0))
