"""The float layers of a quantized model: in front of the quantizers, between and behind them."""

import keras

from keras_alt.graph import Call, Graph, cut
from keras_alt.integer.reading import Island, Source


class FloatLayers:
    """Collects the float calls of a quantized model, then groups those between quantizers.

    The depth of a tensor is the number of quantizers on the longest path to it that lead from
    floats to integers. Float calls of one depth that pass floats to each other form an island.

    Args:
        graph: `Graph` of the model.

    Attributes:
        tensors: the float tensors.
        entered: `[(tensor, position)]`: the float tensors behind integers that quantizers read, and
            the position of the codes that each quantizer gives.
        calls: the float calls, in order, as keys.
        depths: `{tensor: depth}` for floats and integers.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.tensors = set(graph.inputs)
        self.entered: list[tuple[keras.KerasTensor, int]] = []
        self.depths = dict.fromkeys(graph.inputs, 0)
        self.calls: dict[Call, None] = {}

    def add(self, call: Call):
        """Note a call that stays float."""
        self.calls[call] = None
        self.tensors.update(call.outputs)

    def deepen(self, call: Call, enters: bool):
        """Note the depth of what a call gives. `enters` tells whether it quantizes a float."""
        depth = max((self.depths[tensor] for tensor in call.inputs), default=0)
        self.depths.update(dict.fromkeys(call.outputs, depth + enters))

    def ends(self) -> list[keras.KerasTensor]:
        """Return what the float calls behind the last quantizers read.

        An output of the model that no such call gives is such a tensor itself.
        """
        between = self.between()
        behind = {t: call for call in self.calls if call not in between for t in call.outputs}
        ends, seen, waiting = [], set(), list(reversed(self.graph.outputs))
        while waiting:
            tensor = waiting.pop()
            if tensor not in seen:
                seen.add(tensor)
                if tensor in behind and self.depths[tensor]:
                    waiting.extend(reversed(behind[tensor].inputs))
                else:
                    ends.append(tensor)
        return ends

    def islands(self, positions: dict[keras.KerasTensor, int]) -> list[Island]:
        """Return the islands. `positions` has the tensors on a grid."""
        return [self._island(group, positions) for group in self._groups()]

    def _island(self, group, positions):
        given = {tensor: None for call in group for tensor in call.outputs}
        inputs = dict.fromkeys(t for call in group for t in call.inputs if t not in given)
        entered = [(tensor, position) for tensor, position in self.entered if tensor in given]
        passing = [tensor for tensor in given if self._leaves(tensor, group)]
        outputs: list[Source] = [*(position for _, position in entered), *passing]
        return Island(
            cut(self.graph, list(inputs), [*(tensor for tensor, _ in entered), *passing]),
            [positions.get(tensor, tensor) for tensor in inputs],
            outputs,
        )

    def _leaves(self, tensor, group):
        """Return whether float calls outside of `group` read a tensor, or the model gives it."""
        readers = self.graph.readers[tensor]
        outside = any(call in self.calls and call not in group for call in readers)
        return outside or tensor in set(self.graph.outputs)

    def between(self):
        """Return the float calls between quantizers, in order, as keys."""
        wanted, found = {tensor for tensor, _ in self.entered}, {}
        for call in reversed(self.calls):
            if wanted.intersection(call.outputs):
                wanted.update(call.inputs)
                found[call] = None
        return dict.fromkeys(c for c in reversed(found) if self.depths[c.outputs[0]])

    def _groups(self):
        """Return the float calls between quantizers in connected groups of one depth."""
        groups: list[dict] = []
        for call in self.between():
            depth = self.depths[call.outputs[0]]
            reads = {t for t in call.inputs if t in self.tensors and self.depths[t] == depth}
            joined = [g for g in groups if any(reads.intersection(c.outputs) for c in g)]
            merged = {c: None for group in joined for c in group}
            groups = [group for group in groups if group not in joined]
            groups.append({**merged, call: None})
        return groups
