"""What a layer is split into has the settings of the layer."""

import keras
import pytest
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.quantizer import quantizers

pytestmark = pytest.mark.check


def formats(model):
    return {name: str(q.format) for name, q in quantizers(model).items()}


def chain(*layers):
    return keras.Sequential([keras.Input((8, 8, 3), name="image"), *layers])


def quantized(model, **config):
    return keras_alt.quantize_model(model, QuantizeConfig(**config))


def activated(name="c", activation="relu"):
    return L.Conv2D(4, 3, activation=activation, name=name)


def two_norms():
    inputs = keras.Input((8, 8, 3))
    shared = L.Conv2D(4, 3, name="c")
    norms = [L.BatchNormalization(name=name)(shared(inputs)) for name in ("a", "b")]
    return keras.Model(inputs, [L.Conv2D(2, 1)(L.ReLU()(norm)) for norm in norms])


@pytest.mark.parametrize(
    ("overrides", "bits"),
    [
        ({"c": 4}, 4),
        ({"c*": 4}, 4),
        ({"*": 6, "c": 4}, 4),
        ({"c": 4, "*": 6}, 6),
        ({"c": 4, "c_relu": 5}, 5),
        ({"c_relu": 5, "c": 4}, 5),
        ({"c_*": 5, "c": 4}, 5),
    ],
)
def test_an_activation_has_the_width_of_its_layer(overrides, bits):
    model = chain(activated(), L.Conv2D(2, 3, name="last"))
    overrides = {glob: {"activations": width} for glob, width in overrides.items()}
    assert formats(quantized(model, overrides=overrides))["c_relu/output"] == f"uint{bits}"


def test_both_halves_of_a_separable_convolution_have_its_widths():
    model = chain(L.SeparableConv2D(4, 3, activation="relu", name="c"), L.Conv2D(2, 3, name="d"))
    q = quantized(model, overrides={"c": {"weights": 5, "activations": 4}})
    found = formats(q)
    assert found["c_depthwise/kernel"] == found["c/kernel"] == "int5"
    assert (found["c_depthwise/output"], found["c_relu/output"]) == ("int4", "uint4")


def test_the_copies_of_a_layer_have_its_widths():
    found = formats(quantized(two_norms(), overrides={"c": {"weights": 5}}))
    copies = [name for name in found if name in ("c/kernel", "c_a/kernel", "c_b/kernel")]
    assert len(copies) == 2
    assert all(found[name] == "int5" for name in copies)


@pytest.mark.parametrize("kind", [L.Conv2D, L.SeparableConv2D])
def test_all_of_a_skipped_layer_stays_float(kind):
    layer = kind(4, 3, activation="relu", name="c")
    q = quantized(chain(layer, L.Conv2D(2, 3, name="d")), skip=("c",))
    assert [name for name in formats(q) if name.startswith("c")] == ["c_relu/output"]
    assert {row.name for row in keras_alt.report(q).floats} >= {"c", "c_relu"}
    only = quantized(chain(layer, L.Conv2D(2, 3, name="d")), skip=("c_relu",))
    assert "c/kernel" in formats(only)


def test_outputs_are_shared_behind_activations():
    inputs = keras.Input((8, 8, 3))
    heads = [L.Conv2D(2, 1)(activated(name)(inputs)) for name in ("a", "b")]
    found = formats(quantized(keras.Model(inputs, heads), share=(("a", "b"),)))
    assert {"a_relu/shared", "b_relu/shared"} & set(found)
    assert not {"a_relu/output", "b_relu/output"} & set(found)


def test_names_that_are_taken_stay():
    model = chain(
        activated(),
        activated("c_relu"),
        L.SeparableConv2D(4, 1, name="s"),
        activated("s_depthwise"),
    )
    names = [layer.name for layer in quantized(model).layers]
    assert {"c", "c_relu", "s", "s_depthwise", "s_depthwise_1"} <= set(names)
    assert len(names) == len(set(names))


def test_settings_survive_retargeting():
    model = chain(activated(), L.Conv2D(2, 3, name="last"))
    q = quantized(model, overrides={"c": {"activations": 4}})
    assert formats(keras_alt.retarget(q, "litert"))["c_relu/output"] == "uint4"
    skipped = quantized(model, skip=("c",))
    assert "c/kernel" not in formats(keras_alt.retarget(skipped, "litert"))
    assert "c_relu" in {row.name for row in keras_alt.report(skipped).floats}
