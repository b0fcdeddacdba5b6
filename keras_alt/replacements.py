"""Creation of the new layers that replace old ones while a graph is rewritten."""

import itertools
from collections.abc import Callable, Iterable

import keras

from keras_alt.graph import Call, Graph, made_from


def free_name(candidates: Iterable[str], taken: set[str]) -> str:
    """Return the first of `candidates` that is not in `taken`, and add it to `taken`."""
    free = next(name for name in candidates if name not in taken)
    taken.add(free)
    return free


def numbered(stem: str, ending: str = "") -> Iterable[str]:
    """Yield `<stem>_1<ending>`, `<stem>_2<ending>`, ..."""
    return (f"{stem}_{count}{ending}" for count in itertools.count(1))


class Replacements:
    """Makes one new layer for each old one, however often it is called, under a unique name.

    Args:
        graph: the old graph.
        replaced: calls whose layer is replaced. A layer with further calls stays in the graph, and
            its name stays taken.
    """

    def __init__(self, graph: Graph, replaced: Iterable[Call]):
        replaced = set(replaced)
        # The name of a replaced layer is kept for the layer that replaces it.
        self._reserved = {call.layer.name for call in graph.calls if call in replaced}
        self._taken = {call.layer.name for call in graph.calls if call not in replaced}
        self._made = {}

    def __call__(
        self, old: keras.Operation, key, make: Callable[[str], keras.Operation], suffix: str = ""
    ) -> keras.Operation:
        """Return `make(name)`, called once for each pair of `old` and `key`.

        Args:
            old: the layer or operator to replace.
            key: hashable value that distinguishes new layers for the same old layer.
            make: `(name) -> layer`. The name is that of `old` if it is free.
            suffix: ending of the name if that of `old` is taken; a number by default.
        """
        if (old, key) not in self._made:
            self._made[old, key] = made_from(old, make(self._free_name(old.name, suffix)))
        return self._made[old, key]

    def _free_name(self, name, suffix):
        longer = f"{name}_{suffix}" if suffix else name
        others = itertools.chain((longer,), numbered(longer))
        unreserved = (other for other in others if other not in self._reserved)
        return free_name(itertools.chain((name,), unreserved), self._taken)


class Additions:
    """Makes new layers beside those of a graph, one for each key, under unique names.

    Args:
        graph: the old graph, whose names are taken.
    """

    def __init__(self, graph: Graph):
        self._taken = {call.layer.name for call in graph.calls}
        self._made = {}

    def __call__(
        self, key, name: str, make: Callable[[str], keras.layers.Layer]
    ) -> keras.layers.Layer:
        """Return `make(name)`, called once for each key. The name gets a number if it is taken."""
        if key not in self._made:
            free = free_name(itertools.chain((name,), numbered(name)), self._taken)
            self._made[key] = make(free)
        return self._made[key]
