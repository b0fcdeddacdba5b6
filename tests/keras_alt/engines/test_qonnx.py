"""A QONNX file computes the model's integers on qonnx' executor."""

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
from random_networks import FEW_NETWORKS, quantized_networks

from keras_alt import integer
from keras_alt.export import ExportError, to_qonnx
from keras_alt.integer.program import Constant

onnx = pytest.importorskip("onnx", reason="the `onnx` extra is not installed")
pytest.importorskip("qonnx", reason="the `onnx` extra is not installed")
pytestmark = pytest.mark.tensorflow_only
TOPOLOGIES = (
    (models.residual, "paper"),
    (models.inverted_residual, "hls"),
    (models.leaky, "paper"),
    (models.two_outputs, "hls"),
)


@pytest.mark.parametrize(("make", "target"), TOPOLOGIES, ids=lambda x: getattr(x, "__name__", x))
def test_every_topology_is_exact(make, target, rng):
    model, x = quantized(randomize(make(), rng), rng, target)
    assert_exact(model, keras.tree.map_structure(lambda a: a[:4], x), "qonnx")


@pytest.mark.parametrize(
    ("size", "layers"),
    [
        (
            (6, 6, 4),
            (
                "conv2d_oblong",
                "conv2d_dilated_same",
                "depthwise",
                "transposed_narrow_same",
                "dense_on_images",
                "max_pool",
                "average_pool_same",
                "global_average",
                "zero_padding",
                "reshape",
                "leaky_relu_below_six",
                "maximum",
                "concatenate_rows",
                "max_of_channels",
                "hard_silu",
                "multiply_by_pixels",
                "matmul",
                "prelu",
                "bilinear_oblong",
                "sum_of_rows",
                "slice_of_steps",
            ),
        ),
        (
            (8, 4),
            (
                *("conv1d_causal", "conv1d_groups", "transposed_1d_same", "depthwise_1d_strided"),
                *("batch_norm_1d", "dense_on_lines", "max_pool_1d", "average_pool_1d"),
                *("mean_of_seven", "global_max_1d", "upsampling_1d", "zero_padding_1d"),
                *("cropping_1d", "prelu_1d", "dot", "positions", "capped_relu_1d"),
                "repeat_vector",
            ),
        ),
        pytest.param((8, 4), layer_zoo.LINES, marks=pytest.mark.full),
        ((3, 4, 5, 2), layer_zoo.VOLUMES),
    ],
    ids=["images", "few lines", "lines", "volumes"],
)
def test_layers_are_exact(size, layers, rng):
    network = layer_zoo.network(*layers, size=size)
    model, x = quantized(network, rng, "paper", weights=4, activations=6)
    assert_exact(model, x[:4], "qonnx")


@pytest.mark.full
@pytest.mark.parametrize("size", [(6, 6, 4), (8, 4), (3, 4, 5, 2)])
def test_every_kind_of_layer_is_written(size, rng, tmp_path):
    model, _ = quantized(layer_zoo.network(size=size), rng, "hls")
    to_qonnx(model, tmp_path / "model.onnx")


@FEW_NETWORKS
@given(quantized_networks(st.sampled_from(["paper", "hls"])))
def test_random_networks_are_exact(drawn):
    assert_exact(*drawn, "qonnx")


def test_every_scale_and_width_is_the_trained_one(rng, tmp_path):
    model, _ = small(rng, "paper", weights=3, activations=6, first_and_last_weights=3)
    program = integer.read(model).program
    graph = onnx.load(to_qonnx(model, tmp_path / "model.onnx")).graph
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    tensors = [t for t in program.tensors if t.format is not None]
    constants = [c for s in program.steps for c in s.attributes.values() if isinstance(c, Constant)]
    trained = {(2.0**t.exponent, t.format.bits, t.format.signed) for t in [*tensors, *constants]}

    nodes = [node for node in graph.node if node.op_type == "Quant"]
    found = set()
    for node in nodes:
        scale, zero, bits = (float(values[name]) for name in node.input[1:])
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        found.add((scale, int(bits), bool(attributes["signed"])))
        assert zero == 0
        assert attributes["rounding_mode"] == b"ROUND"
    assert found == trained


def test_weights_lie_on_their_grid(rng, tmp_path):
    model, _ = small(rng, "hls", weights=3, first_and_last_weights=3)
    program = integer.read(model).program
    graph = onnx.load(to_qonnx(model, tmp_path / "model.onnx")).graph
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    (step,) = [s for s in program.steps if s.operation == "convolve"]
    kernel = step.attributes["kernel"]
    (stored,) = [
        v for name, v in values.items() if name.startswith("conv/sum") and "kernel" in name
    ]
    codes = kernel.codes.transpose(3, 2, 0, 1)
    np.testing.assert_array_equal(np.ldexp(stored, -kernel.exponent), codes)


def test_what_the_format_cannot_hold_is_named(rng, tmp_path):
    inputs = keras.Input((8,))
    x = L.Activation("sparsemax", name="odd")(L.Dense(4)(inputs))
    model, _ = quantized(keras.Model(inputs, x), rng, "paper")
    assert_refused(to_qonnx, model, tmp_path, "'odd'.*Sparsemax", ExportError)


def test_models_that_do_not_fit_are_refused(rng, tmp_path):
    exported.assert_usual_refusals(to_qonnx, rng, tmp_path, "paper", "litert")
    exported.assert_refuses_floats(to_qonnx, rng, tmp_path, "paper")


def test_a_missing_package_is_named(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "paper")
    exported.assert_needs(to_qonnx, model, tmp_path, "qonnx", "onnx", monkeypatch)


def test_a_file_is_written_whole_or_not_at_all(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "paper")
    exported.assert_written_whole(to_qonnx, model, tmp_path, monkeypatch)
