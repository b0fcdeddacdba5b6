"""LiteRT files that are opened as they are, on TFLM."""

import os

from keras_alt.engines import opened
from keras_alt.engines.fitting import require
from keras_alt.engines.litert.opened import Layout
from keras_alt.engines.observing import require_same
from keras_alt.engines.tflm.arena import enough_bytes
from keras_alt.engines.tflm.run import TFLMEngine, interpreters


class OpenedOnTFLM:
    """See `keras_alt.engines.opened.Opened`.

    Args:
        path: `*.tflite` file.
        engine: "tflm".
    """

    rounding = types = None

    def __init__(self, path: str | os.PathLike, engine: str):
        self.engine, self.layout = engine, Layout(path)
        require("tflite_micro", "tflm")
        self.interpreters = interpreters(os.fspath(path), enough_bytes(self.layout.graph))
        self.ends, self.input_names = self.layout.ends, self.layout.input_names

    def version(self):
        return TFLMEngine.version()

    def compute(self, arrays, rounding):
        parts = [self._sample(arrays, sample, rounding) for sample in range(len(arrays[0]))]
        return opened.joined(parts)

    def _sample(self, arrays, sample, rounding):
        layout, outputs = self.layout, []
        plain, observed = self.interpreters
        for interpreter in self.interpreters:
            for number, (index, array) in enumerate(zip(layout.inputs, arrays, strict=True)):
                dtype = plain.get_input_details(number)["dtype"]
                fed = layout.fed(index, array[sample : sample + 1], dtype, rounding)
                interpreter.set_input(fed, number)
            interpreter.invoke()
            outputs.append([interpreter.get_output(n) for n in range(len(layout.outputs))])
        require_same(self, *outputs)
        shown = {
            name: observed.GetTensor(index, 0)["tensor_data"]
            for name, index in layout.held.items()
            if index not in layout.inputs
        }
        return layout.computed(outputs[0], shown)
