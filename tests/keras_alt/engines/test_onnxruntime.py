"""An ONNX file computes the model's integers on ONNX Runtime, optimizations on."""

import exported
import keras
import layer_zoo
import models
import numpy as np
import pytest
from conftest import randomize
from exported import assert_exact, assert_refused, quantized, small
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L
from random_networks import FEW_ISLANDS, FEW_NETWORKS, quantized_networks, with_islands

from keras_alt import integer, verify
from keras_alt.engines.onnxruntime import export
from keras_alt.engines.onnxruntime.export import OPSETS, write_onnx
from keras_alt.export import ExportError, to_onnx
from keras_alt.integer.program import Constant
from keras_alt.quantizer import quantizers

onnx = pytest.importorskip("onnx", reason="the `onnx` extra is not installed")
pytest.importorskip("onnxruntime", reason="the `onnx` extra is not installed")
pytestmark = pytest.mark.tensorflow_only
TOPOLOGIES = [m for m in models.FUNCTIONAL if m not in (models.operators, models.float_inside)]


def loaded(model, folder):
    return onnx.load(to_onnx(model, folder / "model.onnx"))


@pytest.mark.parametrize("make", TOPOLOGIES, ids=lambda make: make.__name__)
def test_every_topology_is_exact(make, rng):
    assert_exact(*quantized(randomize(make(), rng), rng, "onnx"), "onnxruntime")


@pytest.mark.parametrize(
    ("size", "widths"),
    [
        pytest.param((6, 6, 4), {}, marks=pytest.mark.full),
        ((8, 4), {"weights": 4, "activations": 5}),
        ((8, 4), {"weights": 12, "activations": 12, "inputs": 16}),
        ((3, 4, 5, 2), {}),
    ],
    ids=["images", "lines of 5 bits", "lines of 12 bits", "volumes"],
)
def test_every_layer_is_exact(size, widths, rng):
    assert_exact(*quantized(layer_zoo.network(size=size), rng, "onnx", **widths), "onnxruntime")


def test_an_average_pool_over_volumes_is_exact(rng):
    inputs = keras.Input((4, 4, 4, 2))
    model = keras.Model(inputs, L.AveragePooling3D((2, 1, 3))(L.Conv3D(3, 1)(inputs)))
    assert_exact(*quantized(model, rng, "onnx"), "onnxruntime")


@FEW_NETWORKS
@given(quantized_networks(st.just("onnx")))
def test_random_networks_are_exact(drawn):
    assert_exact(*drawn, "onnxruntime")


@FEW_ISLANDS
@given(quantized_networks(st.just("onnx"), models=with_islands()))
def test_integers_around_random_float_layers_are_exact(drawn):
    assert_exact(*drawn, "onnxruntime")


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize(
    "layer",
    [
        lambda **rules: L.Conv2D(8, 3, **rules),
        lambda **rules: L.Conv2D(8, 1, **rules),
        lambda **rules: L.Conv2D(8, 3, groups=2, **rules),
        lambda **rules: L.DepthwiseConv2D(3, **rules),
        lambda **rules: L.Dense(8, **rules),
    ],
    ids=["conv", "pointwise", "grouped", "depthwise", "dense"],
)
def test_pairs_of_large_products_do_not_saturate(layer, activation, rng):
    """Kernels of 8 bits and two signs saturate at 16 bits on CPUs with AVX2 and without VNNI."""
    inputs = keras.Input((4, 4, 16))
    x = L.Conv2D(16, 1, activation=activation)(inputs)
    x = L.Flatten()(layer()(x))
    model, _ = quantized(keras.Model(inputs, x), rng, "onnx")
    x = exported.with_large_codes(model, rng)
    for quantizer in list(quantizers(model).values())[1:]:
        if quantizer.role == "output":
            quantizer.set_threshold(2.0**9)
    assert_exact(model, x, "onnxruntime")


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_are_integers_of_their_width(bits, rng, tmp_path):
    model, _ = small(rng, "onnx", weights=bits, first_and_last_weights=bits)
    program = integer.read(model).program
    initializers = {i.name: i for i in loaded(model, tmp_path).graph.initializer}
    (conv, *_) = [s for s in program.steps if s.operation == "convolve"]
    (stored,) = [i for n, i in initializers.items() if n.startswith("conv/sum") and "kernel" in n]
    expected = conv.arguments["kernel"].transpose(3, 2, 0, 1)
    values = onnx.numpy_helper.to_array(stored).astype(int)
    kind = onnx.TensorProto.DataType.Name(stored.data_type)
    assert kind == ("INT4" if bits <= 4 else "INT8" if bits < 8 else "UINT8")
    np.testing.assert_array_equal(values - 128 * (kind == "UINT8"), expected)
    if bits <= 4:
        assert len(stored.raw_data) == -(-expected.size // 2)


def test_every_scale_is_the_trained_power_of_two(rng, tmp_path):
    model, _ = small(rng, "onnx", weights=4)
    reading = integer.read(model)
    program, names = reading.program, write_onnx(reading, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    trained = {t.exponent for t in program.tensors if t.format is not None} | {
        value.exponent
        for step in program.steps
        for value in step.attributes.values()
        if isinstance(value, Constant)
    }
    nodes = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert {float(values[n.input[1]]) for n in nodes} == {2.0**e for e in trained}
    clipped = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Clip"}
    positions = {clipped.get(name, name): position for position, name in names.items()}
    for node in (n for n in nodes if n.op_type == "QuantizeLinear"):
        position = positions[node.output[0]]
        assert float(values[node.input[1]]) == 2.0 ** program.tensors[position].exponent


def test_biases_are_int32_on_the_grid_of_the_products(rng, tmp_path):
    model, _ = small(rng, "onnx")
    program = integer.read(model).program
    initializers = {i.name: i for i in loaded(model, tmp_path).graph.initializer}
    for step in program.steps:
        if step.operation == "add_constant":
            (name,) = [n for n in initializers if n.startswith(f"{step.layer}/") and "bias" in n]
            assert initializers[name].data_type == onnx.TensorProto.INT32
            codes = onnx.numpy_helper.to_array(initializers[name])
            np.testing.assert_array_equal(codes, step.arguments["constant"])


def test_the_batch_is_free(rng, tmp_path):
    import onnxruntime

    model, x = small(rng, "onnx")
    session = onnxruntime.InferenceSession(to_onnx(model, tmp_path / "model.onnx"))
    for count in (1, 3):
        (y,) = session.run(None, {session.get_inputs()[0].name: x[:count]})
        np.testing.assert_array_equal(y, keras.ops.convert_to_numpy(model(x[:count])))


def computed(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


@pytest.mark.parametrize(
    "opset",
    [
        pytest.param(o, marks=[pytest.mark.full] * (o not in (OPSETS[0], 21, OPSETS[-1])))
        for o in OPSETS
    ],
)
def test_every_opset_is_exact(opset, rng, tmp_path):
    widths = {"weights": 4, "activations": 5, "first_and_last_weights": 4}
    # A PReLU has 16 bits inside, which older opsets cannot hold.
    layers = [name for name in layer_zoo.LINES if name != "prelu_1d"]
    lines, x = quantized(layer_zoo.network(*layers, size=(8, 4)), rng, "onnx", **widths)
    path = to_onnx(lines, tmp_path / "lines.onnx", opset=opset)
    assert [o.version for o in onnx.load(path).opset_import] == [opset]
    for result, value in zip(computed(path, x), keras.tree.flatten(lines(x)), strict=True):
        np.testing.assert_array_equal(result, keras.ops.convert_to_numpy(value))


def test_what_depends_on_no_input_is_compared_for_every_sample(rng):
    inputs = keras.Input((4, 3))
    zeros = keras.ops.cast(0 * inputs[:1, :, 0], "int32")
    places = L.Embedding(4, 3, name="places")(keras.ops.arange(4) + zeros)
    x = L.Dense(3)(L.Add()([L.Dense(3)(inputs), places]))
    model, x = quantized(keras.Model(inputs, x), rng, "onnx")
    assert verify(model, x, engine="onnxruntime", verbose=False).mismatches == 0


def test_opsets_without_the_types_of_a_model_are_refused(rng, tmp_path):
    model, _ = small(rng, "onnx", activations=12)
    assert_refused(
        lambda m, path: to_onnx(m, path, opset=20),
        model,
        tmp_path,
        "8 bits from opset 21 on.*opset=20, and 'conv",
        ExportError,
    )
    model, _ = small(rng, "onnx", weights=12, first_and_last_weights=12)
    assert_refused(
        lambda m, path: to_onnx(m, path, opset=13),
        model,
        tmp_path,
        "opset=13, and .*kernel' as int12",
        ExportError,
    )
    for opset in (12, 26):
        with pytest.raises(ValueError, match=f"`opset` must be from 13.*opset={opset}"):
            to_onnx(model, tmp_path / "model.onnx", opset=opset)


def test_operators_that_an_opset_lacks_are_named(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "onnx")
    monkeypatch.setattr(export, "OPSETS", range(9, 26))
    match = "choose a later one.*opset=9.*QuantizeLinear"
    with pytest.raises(ExportError, match=match):
        to_onnx(model, tmp_path / "model.onnx", opset=9)


def test_what_the_format_cannot_hold_is_named(rng, tmp_path):
    inputs = keras.Input((8,))
    x = L.Activation("sparsemax", name="odd")(L.Dense(4)(inputs))
    model, _ = quantized(keras.Model(inputs, x), rng, "onnx")
    assert_refused(to_onnx, model, tmp_path, "'odd'.*Sparsemax", ExportError)

    with pytest.raises(ValueError, match="at most 16 bits.*Received: activations=20"):
        quantized(keras.Model(inputs, L.Dense(4)(inputs)), rng, "onnx", activations=20)


def test_models_that_do_not_fit_are_refused(rng, tmp_path):
    exported.assert_usual_refusals(to_onnx, rng, tmp_path, "onnx", "paper")


def test_a_missing_package_is_named(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "onnx")
    exported.assert_needs(to_onnx, model, tmp_path, "onnx", "onnx", monkeypatch)


def test_a_file_is_written_whole_or_not_at_all(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "onnx")
    exported.assert_written_whole(to_onnx, model, tmp_path, monkeypatch)
