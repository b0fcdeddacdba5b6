"""Which channels are scaled by one factor."""

import keras
import numpy as np
import pytest
from keras import layers as L

from keras_alt.equalization.channels import FIXED, ChannelClasses
from keras_alt.graph import Graph


def classes_of(model):
    """Return the classes of the outputs of each layer, by its name."""
    graph = Graph(model)
    classes = ChannelClasses(graph)
    return {call.layer.name: list(classes.of(call.output)) for call in graph.calls}


def image(channels=2):
    return keras.Input((4, 4, channels))


def test_inputs_and_outputs_are_fixed():
    inputs = image()
    found = classes_of(keras.Model(inputs, L.Conv2D(3, 1, name="last")(L.ReLU(name="a")(inputs))))
    assert found == {"a": [FIXED] * 2, "last": [FIXED] * 3}


def test_a_kernel_separates_and_activations_join():
    inputs = image()
    x = L.ReLU(6.0, name="relu")(L.Conv2D(3, 1, name="first")(inputs))
    x = L.DepthwiseConv2D(1, depth_multiplier=2, name="depthwise")(x)
    found = classes_of(keras.Model(inputs, L.Conv2D(1, 1, name="last")(L.LeakyReLU()(x))))
    assert found["relu"] == found["first"]
    assert len({FIXED, *found["first"], *found["depthwise"]}) == 1 + 3 + 6


def test_a_residual_stream_is_one_class_for_each_channel():
    inputs = image()
    x = L.Conv2D(3, 1, name="stem")(inputs)
    for block in range(2):
        y = L.ReLU(name=f"inner_{block}")(L.Conv2D(3, 1, name=f"wide_{block}")(x))
        x = L.Add(name=f"sum_{block}")([x, L.Conv2D(3, 1, name=f"narrow_{block}")(y)])
    found = classes_of(keras.Model(inputs, L.Dense(2)(x)))
    stream = [found[n] for n in ("stem", "narrow_0", "sum_0", "narrow_1", "sum_1")]
    assert all(classes == found["stem"] for classes in stream)
    assert len({FIXED, *found["stem"], *found["wide_0"], *found["wide_1"]}) == 1 + 9


def test_concatenated_channels_lie_side_by_side():
    inputs = image()
    a, b = L.Conv2D(2, 1, name="a")(inputs), L.Conv2D(3, 1, name="b")(inputs)
    x = L.Concatenate(name="joined")([a, inputs, b])
    found = classes_of(keras.Model(inputs, L.Dense(2)(x)))
    assert found["joined"] == [*found["a"], FIXED, FIXED, *found["b"]]


def test_rows_side_by_side_share_their_channels():
    inputs = image()
    a, b = L.Conv2D(2, 1, name="a")(inputs), L.Conv2D(2, 1, name="b")(inputs)
    x = L.Concatenate(axis=1, name="joined")([a, b])
    found = classes_of(keras.Model(inputs, L.Dense(2)(x)))
    assert found["joined"] == found["a"] == found["b"]


def test_a_repeated_operand_joins_all_channels():
    inputs = image()
    x = L.Add()([L.Conv2D(3, 1, name="wide")(inputs), L.Conv2D(1, 1, name="one")(inputs)])
    found = classes_of(keras.Model(inputs, L.Dense(2)(x)))
    assert found["wide"] == found["one"] * 3


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 4, 6), [0, 1, 2, 3, 4, 5]),
        ((96,), [0, 1, 2, 3, 4, 5] * 16),
        ((8, 12), [0, 1, 2, 3, 4, 5] * 2),
        ((16, 2, 3), [0, 1, 2]),
        ((24, 4), None),
    ],
)
def test_reshapes_keep_the_place_of_each_channel(shape, expected):
    inputs = image()
    x = L.Reshape(shape, name="shaped")(L.Conv2D(6, 1, name="conv")(inputs))
    found = classes_of(keras.Model(inputs, L.Dense(2)(x)))
    if expected is None:
        assert {*found["shaped"], *found["conv"]} == {FIXED}
    else:
        assert found["shaped"] == [found["conv"][i] for i in expected]
        assert FIXED not in found["conv"]


def test_a_gate_is_fixed_and_what_it_gates_is_free():
    inputs = image()
    x = L.Conv2D(3, 1, name="conv")(inputs)
    gate = L.Conv2D(3, 1)(L.GlobalMaxPooling2D(keepdims=True)(x))
    gate = L.Activation("sigmoid", name="gate")(gate)
    found = classes_of(keras.Model(inputs, L.Dense(2)(L.Multiply(name="gated")([x, gate]))))
    assert found["gate"] == [FIXED] * 3
    assert found["gated"] == found["conv"]
    assert FIXED not in found["conv"]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: L.Softmax(),
        lambda: L.ReLU(6.0, negative_slope=0.1),
        lambda: L.ReLU(threshold=1.0),
        lambda: L.GaussianNoise(1.0),
        lambda: L.Permute((3, 1, 2)),
        lambda: L.LayerNormalization(),
        lambda: L.Rescaling(2.0, 1.0),
        lambda: L.MaxPooling2D(data_format="channels_first"),
        lambda: L.Conv2D(3, 1, activation="tanh"),
    ],
)
def test_other_layers_fix_what_they_read(layer):
    inputs = image()
    x = layer()(L.Conv2D(4, 1, name="conv")(inputs))
    assert classes_of(keras.Model(inputs, L.Dense(2)(x)))["conv"] == [FIXED] * 4


def test_open_sizes(rng):
    inputs = keras.Input((None, None, 2))
    x = L.GlobalAveragePooling2D()(L.ReLU(name="relu")(L.Conv2D(3, 1, name="conv")(inputs)))
    found = classes_of(keras.Model(inputs, L.Dense(2)(x)))
    assert found["relu"] == found["conv"]
    assert len(np.unique(found["conv"])) == 3
    assert FIXED not in found["conv"]
