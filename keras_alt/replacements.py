"""New layers in place of old ones while a graph is rewritten."""

import itertools
from collections.abc import Callable, Iterable

import keras

from keras_alt.graph import Call, Graph


class Replacements:
    """One new layer for each old one, whatever the number of its calls, under a name of its own.

    Args:
        graph: the old graph.
        replaced: calls in it whose layer is replaced. A layer with other calls besides stays in the
            graph, so its name is taken.
    """

    def __init__(self, graph: Graph, replaced: Iterable[Call]):
        replaced = set(replaced)
        self._old_names = {call.layer.name for call in graph.calls}
        self._taken = {call.layer.name for call in graph.calls if call not in replaced}
        self._layers = {}

    def __call__(
        self, old: keras.Operation, key, make: Callable[[str], keras.Operation], suffix: str = ""
    ) -> keras.Operation:
        """Return `make(name)`, made once for each `old` and `key`.

        Args:
            old: the layer or operator replaced.
            key: tells apart new layers that stand for one old layer.
            make: makes a layer of a name: that of `old` if it is free.
            suffix: of the name where it is not; a number by default.
        """
        if (old, key) not in self._layers:
            self._layers[old, key] = make(self._free_name(old.name, suffix))
        return self._layers[old, key]

    def _free_name(self, name, suffix):
        longer = f"{name}_{suffix}" if suffix else name
        numbered = (f"{longer}_{count}" for count in itertools.count(1))
        taken = self._taken | (self._old_names - {name})
        free = next(c for c in itertools.chain((name, longer), numbered) if c not in taken)
        self._taken.add(free)
        return free
