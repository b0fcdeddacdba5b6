"""The order in which calibration visits the calls of a graph."""

from keras_alt.graph import Call, Graph
from keras_alt.quantizer import Quantizer


def visits(graph: Graph) -> list[list[Call]]:
    """Return the calls of `graph` in an order of computation, those of one quantizer together.

    A quantizer with several calls, such as that of both inputs of an addition, has its threshold
    once it has seen them all. So its earlier calls wait for the last one, unless another call reads
    what they compute before, as in a loop over steps.
    """
    position = {call: index for index, call in enumerate(graph.calls)}
    last = {call.layer: index for call, index in position.items()}
    together = {index: [] for index in position.values()}
    for call, index in position.items():
        end = last[call.layer]
        readers = [r for tensor in call.outputs for r in graph.readers[tensor]]
        waits = isinstance(call.layer, Quantizer) and all(position[r] > end for r in readers)
        together[end if waits else index].append(call)
    return [calls for _, calls in sorted(together.items()) if calls]
