"""LiteRT files that are opened as they are."""

import os
import warnings

import numpy as np

from keras_alt.engines import opened
from keras_alt.engines.fitting import require
from keras_alt.engines.litert.run import LiteRTEngine, LiteRTReferenceEngine
from keras_alt.engines.litert.stored import parsed_file
from keras_alt.engines.observing import require_same


class Layout:
    """The tensors of a LiteRT file.

    Args:
        path: `*.tflite` file.

    Attributes:
        graph: first graph of the file, of the schema's classes.
        inputs, outputs: indices of its tensors.
        input_names: names of the inputs, by which the user knows them.
        held: `{name: index}` of the integer tensors that are computed or given, in order.
        ends: see `keras_alt.engines.opened.Opened`.
    """

    def __init__(self, path: str | os.PathLike):
        require("ai_edge_litert", "litert")
        from ai_edge_litert import schema_py_generated as schema

        file = parsed_file(path)
        graph = self.graph = file.subgraphs[0]
        names = [tensor.name.decode() for tensor in graph.tensors]
        self.inputs, self.outputs = ([int(i) for i in s] for s in (graph.inputs, graph.outputs))
        told = {t.tensorIndex: t.name.decode() for s in file.signatureDefs or () for t in s.inputs}
        self.input_names = [told.get(index, names[index]) for index in self.inputs]
        types = {schema.TensorType.INT8: np.int8, schema.TensorType.UINT8: np.uint8}
        self.types = {i: types[t.type] for i, t in enumerate(graph.tensors) if t.type in types}
        stored = {i: _stored(graph.tensors[i]) for i in self.types}
        self.stored = {i: rule for i, rule in stored.items() if rule is not None}
        producers = {int(o): operator for operator in graph.operators for o in operator.outputs}
        held = [i for i in self.stored if i in producers or i in self.inputs]
        self.held = {n: names.index(n) for n in opened.of_program(names[i] for i in held)}
        read = {names[o]: [names[i] for i in op.inputs] for o, op in producers.items()}
        self.ends = opened.ends_of([names[i] for i in self.outputs], read, self.held)

    def fed(self, index: int, values: np.ndarray, dtype, rounding: str) -> np.ndarray:
        """Return values as the input of that index takes them."""
        if index in self.stored:
            return self.stored[index].quantized(values, self.types[index], rounding)
        return values.astype(dtype)

    def computed(self, outputs: list[np.ndarray], tensors: dict[str, np.ndarray]):
        """Return what the file computes, from arrays as it stores them."""
        codes = {name: self.stored[self.held[name]].codes(a) for name, a in tensors.items()}
        pairs = zip(self.outputs, outputs, strict=True)
        return opened.Computed([self._values(*pair) for pair in pairs], codes)

    def _values(self, index, array):
        if index not in self.stored:
            return array
        codes = self.stored[index].codes(array)
        return codes.codes * codes.scale


def _stored(tensor):
    rules = tensor.quantization
    if rules is None or rules.scale is None or len(rules.scale) != 1:
        return None
    zero = 0 if rules.zeroPoint is None else int(rules.zeroPoint[0])
    return opened.Stored(float(rules.scale[0]), zero)


class OpenedOnLiteRT:
    """See `keras_alt.engines.opened.Opened`.

    Args:
        path: `*.tflite` file.
        engine: "litert" or "litert-reference".
    """

    rounding = types = None

    def __init__(self, path: str | os.PathLike, engine: str):
        self.engine, self.layout = engine, Layout(path)
        from ai_edge_litert.interpreter import Interpreter

        kind = {"litert": LiteRTEngine, "litert-reference": LiteRTReferenceEngine}[engine]
        self.kind, options = kind, kind.options()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            self.interpreters = [
                Interpreter(os.fspath(path), **options),
                Interpreter(os.fspath(path), experimental_preserve_all_tensors=True, **options),
            ]
        self.ends, self.input_names = self.layout.ends, self.layout.input_names
        self.shapes = None

    def version(self):
        return self.kind.version()

    def compute(self, arrays, rounding):
        self._prepare([array.shape[1:] for array in arrays])
        parts = [self._sample(arrays, sample, rounding) for sample in range(len(arrays[0]))]
        return opened.joined(parts)

    def _prepare(self, shapes):
        if self.shapes == shapes:
            return
        for interpreter in self.interpreters:
            given = {d["index"]: tuple(d["shape"]) for d in interpreter.get_input_details()}
            for index, shape in zip(self.layout.inputs, shapes, strict=True):
                if given[index] != (1, *shape):
                    interpreter.resize_tensor_input(index, (1, *shape))
            interpreter.allocate_tensors()
        self.shapes = shapes

    def _sample(self, arrays, sample, rounding):
        layout, outputs = self.layout, []
        for interpreter in self.interpreters:
            types = {d["index"]: d["dtype"] for d in interpreter.get_input_details()}
            for index, array in zip(layout.inputs, arrays, strict=True):
                values = array[sample : sample + 1]
                interpreter.set_tensor(index, layout.fed(index, values, types[index], rounding))
            interpreter.invoke()
            outputs.append([interpreter.get_tensor(index) for index in layout.outputs])
        require_same(self, *outputs)
        return layout.computed(outputs[0], dict(self._shown()))

    def _shown(self):
        for name, index in self.layout.held.items():
            try:
                yield name, self.interpreters[-1].get_tensor(index)
            except ValueError:  # the delegate does not expose this tensor
                continue
