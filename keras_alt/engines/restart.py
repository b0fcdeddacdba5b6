"""The codes that Keras computes, also from the codes that an engine gives behind float layers."""

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Graph, cut
from keras_alt.integer import Reading


def codes_at(reading: Reading, positions, tensors) -> dict[int, np.ndarray]:
    """Return `{position: codes}` of the values that Keras computes at positions."""
    codes = {}
    for position, values in zip(positions, tensors, strict=True):
        steps = np.ldexp(1.0, -reading.program.tensors[position].exponent)
        values = ops.convert_to_numpy(values)
        codes[position] = np.multiply(values, steps, dtype=np.float64)
    return codes


class Restart:
    """Computes on in Keras from the codes that an engine gives behind float layers.

    Attributes:
        behind: the positions behind float layers, see `Reading.rounding_layers`.
    """

    def __init__(self, model: keras.Model, reading: Reading):
        self.reading, self.behind = reading, reading.behind()
        fed = set(reading.fed())
        self.given = {t: p for t, p in reading.taps.items() if p in fed}
        self.taps = {t: p for t, p in reading.taps.items() if p in self.behind - fed}
        if self.taps:
            graph = Graph(model)
            self.model = cut(graph, [*graph.inputs, *self.given], list(self.taps))

    def expected(self, batch: list, expected: dict, computed: dict) -> dict[int, np.ndarray]:
        """Return the codes to expect of an engine at each position that float layers do not feed.

        Args:
            batch: inputs of the model.
            expected: codes that Keras computes for them.
            computed: codes that the engine computed for them.
        """
        exact = {p: codes for p, codes in expected.items() if p not in self.behind}
        if not self.taps:
            return exact
        exponents = {p: self.reading.program.tensors[p].exponent for p in self.given.values()}
        values = [
            np.ldexp(computed[p].astype(np.float64), exponents[p]).astype(np.float32)
            for p in self.given.values()
        ]
        simulated = keras.tree.flatten(self.model([*batch, *values], training=False))
        return {**exact, **codes_at(self.reading, self.taps.values(), simulated)}
