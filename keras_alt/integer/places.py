"""Where the float layers of a quantized model lie, calibrated or not."""

from keras_alt.graph import Call, Graph
from keras_alt.integer.islands import FloatLayers
from keras_alt.integer.reader import ROUNDED_BEHIND, handler_of
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantizer import Quantizer
from keras_alt.record import record_of

FRONT, BETWEEN, BEHIND = "in front of", "between", "behind"


def float_places(graph: Graph) -> dict[Call, str]:
    """Return the place of each float call with respect to the quantizers.

    Args:
        graph: `Graph` of a quantized model.

    Returns:
        `{call: FRONT, BETWEEN or BEHIND}`, in order. A call in `BETWEEN` belongs to an island.
    """
    floats, target = FloatLayers(graph), _target(graph)
    for call in graph.calls:
        is_quantizer = isinstance(call.layer, Quantizer)
        reads_float = any(tensor in floats.tensors for tensor in call.inputs)
        floats.deepen(call, enters=is_quantizer and reads_float)
        if is_quantizer:
            floats.entered.extend((tensor, -1) for tensor in call.inputs if reads_float)
        elif not _is_kernel(call) and (reads_float or not _has_steps(graph, call, target)):
            floats.add(call)
    places = dict.fromkeys(floats.calls, BEHIND)
    places.update(dict.fromkeys(floats.between(), BETWEEN))
    front = (call for call in places if floats.depths[call.outputs[0]] == 0)
    return {**places, **dict.fromkeys(front, FRONT)}


def _is_kernel(call):
    return isinstance(call.layer, QuantizedKernel) and call.layer.is_quantized


def _has_steps(graph, call, target):
    is_rounded_behind = isinstance(call.layer, tuple(ROUNDED_BEHIND))
    return is_rounded_behind or handler_of(graph, call, target) is not None


def _target(graph):
    names = {c.layer.target for c in graph.calls if isinstance(c.layer, QuantizedKernel)}
    record = record_of(graph.model)
    return min(names) if names else "paper" if record is None else record.config.target
