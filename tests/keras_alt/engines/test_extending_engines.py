"""Engines and operations that another package adds."""

import dataclasses

import keras
import pytest
from exported import quantized, small
from keras import layers as L

import keras_alt
from keras_alt.engines import ENGINES, hls4ml, litert, onnx_nodes
from keras_alt.engines.hls4ml.nodes import NODES
from keras_alt.engines.litert.operators import OPERATORS
from keras_alt.export import ExportError, to_hls4ml, to_litert, to_onnx, to_qonnx
from keras_alt.integer import arithmetic
from keras_alt.targets import TARGETS

TABLES = {
    "litert": (OPERATORS, litert.handles, to_litert, "litert"),
    "onnx": (onnx_nodes.NODES, onnx_nodes.handles, to_onnx, "onnx"),
    "qonnx": (onnx_nodes.NODES, onnx_nodes.handles, to_qonnx, "paper"),
    "hls4ml": (NODES, hls4ml.handles, to_hls4ml, "hls"),
}


class Mine:
    """An engine that derives from nothing: `arithmetic`, without a file."""

    name = "mine"

    def __init__(self, reading, folder):
        self.program = reading.program

    @classmethod
    def version(cls):
        return "mine 1"

    def compute(self, arrays, codes):
        values = dict(zip(self.program.inputs, codes, strict=True))
        for step in self.program.steps:
            operands = [values[position] for position in step.inputs]
            values[step.output] = getattr(arithmetic, step.operation)(*operands, **step.arguments)
        return values


def test_an_engine_of_another_package_proves_a_model(rng, monkeypatch):
    model, x = small(rng, "litert")
    fitting = dataclasses.replace(TARGETS["litert"], engines=("integer", "mine"))
    monkeypatch.setitem(ENGINES, "mine", Mine)
    monkeypatch.setitem(TARGETS, "litert", fitting)

    result = keras_alt.verify(model, x, "mine", verbose=False)

    assert result
    assert (result.engine, result.version, result.total) == ("mine", "mine 1", 16 * 3)


def maxima(rng, target):
    inputs = keras.Input((4, 4, 3))
    x = L.MaxPooling2D(2, name="pool")(L.Conv2D(4, 3, padding="same")(inputs))
    model, _ = quantized(keras.Model(inputs, L.Dense(3)(L.Flatten()(x))), rng, target)
    return model


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("format", TABLES)
def test_an_operation_is_written_by_the_function_that_handles_it(
    format, rng, tmp_path, monkeypatch
):
    table, handles, export, target = TABLES[format]
    pytest.importorskip({"litert": "ai_edge_litert"}.get(format, format))
    model = maxima(rng, target)
    before = table["window_maximum"]
    monkeypatch.delitem(table, "window_maximum")
    with pytest.raises(ExportError, match="layer 'pool'"):
        export(model, tmp_path / "without")

    seen = []

    @handles("window_maximum")
    def written(writer, step):
        seen.append((step.layer, writer.program.tensors[step.output].shape))
        before(writer, step)

    export(model, tmp_path / "with")

    assert seen == [("pool", (2, 2, 4))]
    assert [path.name for path in tmp_path.iterdir()] == ["with"]
