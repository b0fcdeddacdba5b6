"""The values of every tensor of a graph on calibration data, one tensor after another."""

from collections.abc import Iterator

from keras import tree

from keras_alt.calibration.applying import apply
from keras_alt.calibration.batches import ActivationStore
from keras_alt.graph import Graph
from keras_alt.progress import progress_bar


def values_of(graph: Graph, batches: list, verbose: bool = False) -> Iterator[tuple]:
    """Yield `(tensor, [value for each batch])` for the inputs and for what each call computes.

    Tensors come in the order of computation, and each layer runs on all batches before the next
    one. So who reads the values may change the layers behind.

    Args:
        graph: `Graph` of a model.
        batches: from `keras_alt.calibration.batches.read_batches`.
        verbose: whether to show a progress bar.
    """
    store = ActivationStore(graph)
    store.feed(batches)
    progress = progress_bar(len(graph.calls), "layer", verbose)
    yield from zip(graph.inputs, map(list, zip(*batches, strict=True)), strict=True)
    for call in graph.calls:
        results = []
        for batch in range(store.count):
            outputs = apply(call, store, batch)
            store.put(batch, call, outputs)
            results.append(tree.flatten(outputs))
        store.release(call)
        yield from zip(call.outputs, zip(*results, strict=True), strict=True)
        progress.add(1)
