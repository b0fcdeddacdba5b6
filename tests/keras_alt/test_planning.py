"""Where quantizers go, and which share a threshold (spec checks 39-50)."""

import keras
import models
import numpy as np
import pytest
from conftest import pairs
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.graph import Graph
from keras_alt.layers import QuantAveragePoolConv2D
from keras_alt.operators import Grid, has_grid, shares_grid
from keras_alt.planning import Group, Plan, plan
from keras_alt.quantizer import Quantizer, quantizers
from keras_alt.targets import BESIDE_ACCUMULATOR
from keras_alt.transforms import canonical

pytestmark = pytest.mark.check


def quantized(model, **config):
    return keras_alt.quantize_model(model, QuantizeConfig(**config))


def formats(model):
    return {name: str(q.format) for name, q in quantizers(model).items()}


def chain(*layers):
    return keras.Sequential([keras.Input((8, 8, 3), name="image"), *layers])


def sources(graph, tensor):
    """Return the quantizers on whose grid a tensor lies."""
    call = graph.producer[tensor]
    if isinstance(call.layer, Quantizer):
        return {call.layer}
    assert has_grid(call, Grid.KEPT, Grid.COMMON), call.layer
    return set().union(*(sources(graph, operand) for operand in call.inputs))


@pytest.mark.parametrize(("make", "target"), pairs(models.FUNCTIONAL, ["paper", "litert"]))
def test_every_merge_reads_one_threshold(make, target):
    graph = Graph(quantized(make(), target=target))
    for call in graph.calls:
        if shares_grid(call):
            assert len(set().union(*(sources(graph, tensor) for tensor in call.inputs))) == 1


def test_conv_norm_relu():  # 39, 40
    model = chain(
        L.Conv2D(4, 3, use_bias=False, name="conv"), L.BatchNormalization(), L.ReLU(name="relu")
    )
    q = quantized(model)
    assert formats(q) == {
        "image/input": "int8",
        "conv/kernel": "int8",
        "conv/accumulator": "int16",
        "relu/output": "uint8",
    }
    conv = q.get_layer("conv")
    assert conv.bias_quantizer is conv.accumulator_quantizer


def test_linear_conv_gets_one_signed_quantizer():  # 41
    assert formats(quantized(chain(L.Conv2D(4, 3, name="conv"))))["conv/output"] == "int8"


def test_residual_add_with_relu():  # 42
    q = quantized(models.residual())
    graph = Graph(q)
    for call in graph.calls:
        if isinstance(call.layer, L.Add):
            operands = {sources(graph, tensor).pop() for tensor in call.inputs}
            assert len(operands) == 1
            assert str(operands.pop().format) == "int8"
            (reader,) = graph.readers[call.output]
            assert isinstance(reader.layer, Quantizer)
            assert reader.kwargs["activation"] == "relu"
            assert str(reader.layer.format) == "uint8"


def test_residual_add_without_relu():  # 43
    q = quantized(models.inverted_residual())
    graph = Graph(q)
    adds = [call for call in graph.calls if isinstance(call.layer, L.Add)]
    assert len(adds) == 2
    for call in adds:
        (reader,) = graph.readers[call.output]
        # Its first input is ReLU6's uint8, rescaled to the sign of the linear branch.
        assert str(reader.layer.format) == "int8"


def test_concat_needs_no_quantizer_behind_it():  # 44
    graph = Graph(quantized(models.inception()))
    concats = [call for call in graph.calls if isinstance(call.layer, L.Concatenate)]
    assert len(concats) == 1
    assert len(concats[0].inputs) == 4
    assert not any(isinstance(r.layer, Quantizer) for r in graph.readers[concats[0].output])


@pytest.mark.parametrize(
    ("size", "value"),
    [(7, 167 * 2.0**-13), (3, 228 * 2.0**-11), (2, 0.24902344), (8, 255 * 2.0**-14)],
)
def test_reciprocal_of_the_mean(size, value):  # 45
    model = keras.Sequential([keras.Input((size, size, 1)), L.GlobalAveragePooling2D(name="mean")])
    q = quantized(model)
    keras_alt.calibrate(q, np.ones((1, size, size, 1), "float32"), verbose=False)
    pool = q.get_layer("mean")
    assert isinstance(pool, QuantAveragePoolConv2D)
    assert str(pool.kernel_quantizer.format) == "uint8"
    kernel = keras.ops.convert_to_numpy(pool.kernel_quantizer(pool.kernel))
    np.testing.assert_allclose(kernel, value, rtol=1e-7, atol=5e-9)


def test_mean_rounds_down():  # 46
    inputs = keras.Input((7, 7, 1))
    model = keras.Model(inputs, L.GlobalAveragePooling2D(name="mean")(L.ReLU(name="relu")(inputs)))
    q = quantized(model)
    found = quantizers(q)
    for name, threshold in (("relu/output", 6), ("mean/output", 6), ("mean/kernel", 1 / 49)):
        found[name].set_threshold(threshold)
    found[q.inputs[0].name + "/input"].set_threshold(4)
    y = q(np.full((1, 7, 7, 1), 3.0, "float32"))
    assert float(y[0, 0]) == 2.96875


def test_leaky_relu_in_16_bit():  # 47
    q = quantized(chain(L.Conv2D(4, 3), L.LeakyReLU(negative_slope=0.1, name="leaky")))
    found = formats(q)
    assert found["leaky/input"] == found["leaky/slope"] == "int16"
    assert found["leaky/output"] == "int8"
    layer = keras_alt.layers.QuantLeakyReLU(0.1, activation_bits=None)
    layer.build((None, 1))
    layer.input_quantizer.set_threshold(1.0)
    y = layer(np.array([[-1.0]], "float32"))
    assert float(y[0, 0]) == -3277 * 2.0**-15
    slope = layer.slope_quantizer(np.float32(0.1))
    assert float(slope) == 26214 * 2.0**-18


def test_first_and_last_weights_keep_8_bit():  # 48
    q = quantized(models.residual(), weights=4)
    found = formats(q)
    kernels = [f for name, f in found.items() if "conv" in name and name.endswith("/kernel")]
    assert found["dense/kernel"] == "int8"
    assert kernels[0] == "int8"
    assert set(kernels[1:]) == {"int4"}
    outputs = {f for name, f in found.items() if name.endswith(("/output", "/inputs", "/input"))}
    assert outputs <= {"int8", "uint8"}


def test_layers_that_move_values_add_no_quantizer():  # 49
    q = quantized(
        chain(
            L.Conv2D(4, 3, name="conv"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dense(3, name="fc"),
            L.Softmax(),
        )
    )
    assert [n for n in formats(q) if not n.endswith(("kernel", "accumulator"))] == [
        "image/input",
        "conv/output",
        "fc/output",
    ]


def test_unlike_groups_do_not_merge():  # 50
    plan = Plan(BESIDE_ACCUMULATOR)
    for key, format in (
        ("a", keras_alt.FixedPoint(8)),
        ("b", keras_alt.FixedPoint(8, signed=False)),
    ):
        plan.new_group(key, Group(key, "output", format))
    with pytest.raises(ValueError, match="a/output: int8, b/output: uint8"):
        plan.share(["a", "b"], "merged", "inputs")


def test_a_plan_builds_nothing():
    model = canonical(models.residual(), QuantizeConfig())
    layers = [layer.name for layer in model.layers]
    planned = plan(Graph(model), QuantizeConfig())
    assert planned.outputs
    assert [layer.name for layer in model.layers] == layers


def test_a_plan_prints_every_quantizer_and_every_layer_that_is_replaced():
    config = QuantizeConfig(overrides={"fc": {"weights": 3, "biases": 20}})
    model = chain(
        L.Conv2D(4, 3, name="conv"), L.ReLU(name="relu"), L.Flatten(), L.Dense(2, name="fc")
    )
    lines = str(plan(Graph(canonical(model, config)), config)).splitlines()
    assert lines[0] == "biases lie beside the accumulator"
    assert [line.split(": ")[0] for line in lines[1:6]] == [
        "conv",
        "fc",
        "image/input",
        "relu/output",
        "fc/output",
    ]
    assert lines[2].startswith("fc: QuantDense {'kernel_bits': 3, 'bias_bits': 20,")
    assert lines[4] == "relu/output: uint8"
    assert lines[6:] == ["relu: relu in its quantizer"]


@pytest.mark.parametrize("target", ["paper", "litert"])
@pytest.mark.parametrize(
    "make", [models.inception, models.leaky, models.shared_layers], ids=lambda make: make.__name__
)
def test_the_quantizers_of_a_model_are_those_of_its_plan(make, target):
    model, config = make(), QuantizeConfig(target=target)
    planned = plan(Graph(canonical(model, config)), config)
    nodes = [call.layer for call in Graph(keras_alt.quantize_model(model, config)).calls]
    built = {q.name: q.format for q in nodes if isinstance(q, Quantizer)}
    assert built == {group.name: group.format for group in planned.groups}


def test_softmax_tail_and_input_scaling_stay_float():
    q = quantized(chain(L.Rescaling(1 / 255.0), L.Conv2D(4, 3), L.Flatten(), L.Dense(3, "softmax")))
    assert list(formats(q))[0] == "rescaling/output"
    assert isinstance(q.layers[1], L.Rescaling)
    assert isinstance(q.layers[-1], L.Activation)
    assert isinstance(q.layers[-2], Quantizer)


def test_unlike_widths_are_rescaled_to_the_wider():
    inputs = keras.Input((4,))
    a, b = L.Dense(3, name="a")(inputs), L.Dense(3, name="b")(inputs)
    model = keras.Model(inputs, L.Add(name="sum")([a, b]))
    q = quantized(model, overrides={"a": {"activations": 4}})
    found = formats(q)
    assert found["a/output"] == "int4"
    assert found["sum/inputs"] == "int8"
    graph = Graph(q)
    assert sum(call.layer.name == "sum__inputs" for call in graph.calls) == 2


def test_share_puts_layers_on_one_scale():
    model = chain(L.Conv2D(4, 3, name="a"), L.Conv2D(4, 3, name="b"), L.Conv2D(4, 3, name="c"))
    q = quantized(model, share=(("a", "b"),))
    names = list(formats(q))
    assert "a/shared" in names
    assert "b/output" not in names
    with pytest.raises(ValueError, match="sign and bits agree"):
        quantized(model, share=(("a", "b"),), overrides={"a": {"activations": 4}})


def test_skip_and_float_widths():
    model = chain(L.Conv2D(4, 3, name="a"), L.Conv2D(4, 3, name="b"), L.Conv2D(4, 3, name="c"))
    q = quantized(model, skip=("b",), overrides={"c": {"weights": None}})
    assert type(q.get_layer("b")) is L.Conv2D
    assert "c/kernel" not in formats(q)
    assert "b/output" in formats(q)
    with pytest.raises(ValueError, match="Received: 'nothing'"):
        quantized(model, skip=("nothing",))
