"""The network of a quantized model as a picture needs it: boxes, and wires with formats."""

from dataclasses import dataclass

from keras_alt.costs import quantizer_behind
from keras_alt.graph import Graph
from keras_alt.integer import float_places
from keras_alt.keras_internals import operation_behind
from keras_alt.layer_rows import formats_of
from keras_alt.quantizer import Quantizer
from keras_alt.report_tables import INTEGER

INPUT, OUTPUT = "input", "output"  # places of the ends of a model


@dataclass(frozen=True)
class Box:
    """One call of a layer, an input or an output of a model.

    Attributes:
        name, type: of the layer.
        place: as in `LayerRow`, or `INPUT` or `OUTPUT`.
        shape: of the output, without the batch.
        formats: `{role: format}` of what the layer quantizes.
    """

    name: str
    type: str
    place: str
    shape: list[int | None]
    formats: dict[str, str]

    @property
    def is_end(self) -> bool:
        """Whether it is an input or an output of the model."""
        return self.place in (INPUT, OUTPUT)


@dataclass(frozen=True)
class Wire:
    """One tensor between two boxes.

    Attributes:
        source, target: numbers of the boxes.
        format: of the codes; the type of the values where they are floats.
        exponent: log2 of the scale; None for floats, and before calibration.
        shape: of the tensor, without the batch.
    """

    source: int
    target: int
    format: str
    exponent: int | None
    shape: list[int | None]


@dataclass(frozen=True)
class Wiring:
    """Boxes in order of computation, and the wires between them."""

    boxes: list[Box]
    wires: list[Wire]


def wiring(graph: Graph) -> Wiring:
    """Return the boxes and the wires of a quantized graph.

    A quantizer is no box: the wires behind it have its format. Tensors that tell exponents to
    layers are left out.
    """
    places = float_places(graph)
    boxes = [
        Box(operation_behind(tensor).name, "Input", INPUT, list(tensor.shape[1:]), {})
        for tensor in graph.inputs
    ]
    source = {tensor: number for number, tensor in enumerate(graph.inputs)}
    wires = []
    for call in graph.calls:
        tensors = [tensor for tensor in call.inputs if tensor in source]
        if isinstance(call.layer, Quantizer):
            source[call.outputs[0]] = source[tensors[0]]
            continue
        wires += [_wire(graph, t, source[t], len(boxes)) for t in dict.fromkeys(tensors)]
        source.update((t, len(boxes)) for t in call.outputs if not _is_exponent(t, call))
        layer, shape = call.layer, list(call.outputs[0].shape[1:])
        place = places.get(call, INTEGER)
        boxes.append(Box(layer.name, type(layer).__name__, place, shape, formats_of(layer)))
    for tensor, name in zip(graph.outputs, graph.model.output_names, strict=True):
        wires.append(_wire(graph, tensor, source[tensor], len(boxes)))
        boxes.append(Box(name, "Output", OUTPUT, list(tensor.shape[1:]), {}))
    return Wiring(boxes, wires)


def _is_exponent(tensor, call):
    return tensor.shape == () and tensor is not call.outputs[0]


def _wire(graph, tensor, source, target):
    quantizer, shape = quantizer_behind(graph, tensor), list(tensor.shape[1:])
    if quantizer is None:
        return Wire(source, target, str(tensor.dtype), None, shape)
    exponent = quantizer.exponent if quantizer.calibrated and not quantizer.channel_axes else None
    return Wire(source, target, str(quantizer.format), exponent, shape)
