"""The float layers of a quantized model: why each stays float, and what exporters make of it."""

import importlib.util

from keras_alt.engines.fitting import WRITE_ENDS, WRITE_FLOATS
from keras_alt.engines.litert.float_layers import UNWRITTEN
from keras_alt.engines.onnx_float.trial import has_onnx_form
from keras_alt.engines.onnxruntime.export import QDQWriter
from keras_alt.engines.qonnx.export import QuantWriter
from keras_alt.graph import Call, Graph
from keras_alt.integer import BEHIND, BETWEEN, FRONT, float_places
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import is_float_in, operator_of
from keras_alt.record import record_of
from keras_alt.report_tables import FLOAT, OUTSIDE, REFUSED, FloatRow
from keras_alt.targets import get_target
from keras_alt.transforms.unroll_recurrent import is_recurrent, obstacle

EXPORTERS = {
    "integer": "to_integers",
    "c": "to_c",
    "litert": "to_litert",
    "tflm": "to_litert",
    "onnxruntime": "to_onnx",
    "qonnx": "to_qonnx",
    "hls4ml": "to_hls4ml",
}
ONNX_WRITERS = {"onnxruntime": QDQWriter, "qonnx": QuantWriter}


def float_rows(graph: Graph) -> list[FloatRow]:
    """Return a `FloatRow` for each float layer or operator of a quantized graph.

    A layer that is called several times has the row of its first call between quantizers, if any.
    """
    record, engines, rows = record_of(graph.model), _engines(graph), {}
    for call, place in float_places(graph).items():
        if place == BETWEEN or call.layer not in rows:
            exports = {EXPORTERS[engine]: _export(call, place, engine) for engine in engines}
            rows[call.layer] = FloatRow(
                call.layer.name,
                type(call.layer).__name__,
                _reason(call, place, record),
                place,
                exports,
                _remedy(call, place, record, exports),
            )
    return list(rows.values())


def _engines(graph):
    """Return the engines that follow the target of a model, as far as they have an exporter."""
    record = record_of(graph.model)
    targets = {c.layer.target for c in graph.calls if isinstance(c.layer, QuantizedKernel)}
    targets |= {record.config.target} if record is not None and not targets else set()
    named = dict.fromkeys(e for target in sorted(targets) for e in get_target(target).engines)
    return [engine for engine in named if engine in EXPORTERS]


def _reason(call: Call, place, record):
    if record is not None and record.config.skips(call.layer.name):
        return "left float by `skip`"
    if place == FRONT and getattr(call.layer, "weights", None):
        return f"no fixed-point form; stays float in front of the first quantizer{_way_out(call)}"
    if place == FRONT:
        return "prepares the input, in front of the first quantizer"
    if place == BEHIND:
        return "shapes the output, behind the last quantizer"
    if record is not None and is_float_in(call, record.config.target):
        return f"the engine of target '{record.config.target}' has no integer form of it"
    if operator_of(call) is not None:
        return "reads a float; stays float between quantizers"
    return f"no fixed-point form; stays float between quantizers{_way_out(call)}"


def _remedy(call: Call, place, record, exports):
    """Return what to do about a float call; empty if nothing is needed."""
    refusing = [exporter for exporter, made in exports.items() if made == REFUSED]
    if record is not None and record.config.skips(call.layer.name):
        way = "To quantize it, leave it out of `skip`."
    elif record is not None and place == BETWEEN and is_float_in(call, record.config.target):
        way = "`keras_alt.retarget` the model for an engine that has an integer form of it."
    elif is_recurrent(call) and obstacle(call) is None:
        way = "`keras_alt.unroll` the float model before `quantize_model`."
    elif place == BETWEEN and operator_of(call) is None:
        way = "Put a layer that has an integer form in its place."
    else:
        way = ""
    if refusing:
        way += (
            f" For {' and '.join(refusing)}: take it off the model, or `keras_alt.retarget` the "
            "model for an exporter that writes it."
        )
    return way.strip()


def _way_out(call):
    """Return the end of a reason that says how a recurrent layer becomes integers, or why not."""
    if not is_recurrent(call):
        return ""
    reason = obstacle(call)
    if reason is None:
        return "; `keras_alt.unroll` before `quantize_model` makes integers of its steps"
    return f"; `keras_alt.unroll` leaves it, because {reason}"


def _export(call: Call, place, engine):
    """Return what an exporter makes of a float call."""
    if place == BETWEEN and engine not in WRITE_FLOATS:
        return REFUSED
    if EXPORTERS[engine] == "to_litert" and type(call.layer).__name__ in UNWRITTEN:
        return REFUSED
    if engine in ONNX_WRITERS and importlib.util.find_spec("onnx") is not None:
        return FLOAT if has_onnx_form(call, ONNX_WRITERS[engine]) else REFUSED
    return FLOAT if engine in WRITE_ENDS else OUTSIDE
