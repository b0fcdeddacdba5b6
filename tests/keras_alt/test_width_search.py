"""A sensitivity is what the narrowed model gives; the chosen widths are the best of all."""

import itertools
import json

import keras
import numpy as np
import pytest
from conftest import outputs, randomize
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L
from small_networks import NETWORKS

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.calibration import mse
from keras_alt.costs import bit_operations
from keras_alt.quantizer import quantizers
from keras_alt.width_search.knapsack import Item, least_loss
from keras_alt.width_search.table import SensitivityRow

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(20, 6, 6, 3)).astype("float32")


def network():
    """Kernels of each kind: depthwise, in a residual, called twice, behind a pool, in a table."""
    keras.utils.set_random_seed(0)
    twice = L.Conv2D(4, 1, name="twice")
    x = inputs = keras.Input((6, 6, 3), name="image")
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    y = L.DepthwiseConv2D(3, padding="same", activation="silu", name="depthwise")(x)
    x = L.Add(name="add")([x, twice(twice(y))])
    early = L.ReLU(name="early")(x)
    x = L.AveragePooling2D(2, name="pool")(early)
    x = L.Dense(3, name="last")(L.Flatten(name="flat")(x))
    return keras.Model(inputs, {"early": early, "late": x})


def quantized(images, target="litert", **options):
    return keras_alt.quantize_model(network(), QuantizeConfig(target=target, **options), images)


def line():
    """A short network with an activation in a table."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(4, 3, activation="relu", name="first")(x)
    x = L.Activation("sigmoid", name="table")(L.Conv2D(4, 3, name="second")(x))
    return keras.Model(inputs, L.Dense(3, "softmax", name="last")(L.Flatten()(x)))


@pytest.fixture(scope="module")
def model(images):
    """The line, quantized with scales of channels; tests leave it as it is."""
    config = QuantizeConfig(target="onnx", weight_scales="channel")
    return keras_alt.quantize_model(line(), config, images)


def sqnr_db(model, other, x):
    pairs = zip(outputs(model, x), outputs(other, x), strict=True)
    signal, noise = (
        sum(float(np.square(v, dtype=np.float64).sum()) for v in values)
        for values in zip(
            *((a, np.subtract(a, b, dtype=np.float64)) for a, b in pairs), strict=True
        )
    )
    return np.inf if noise == 0 else 10 * np.log10(signal / noise)


def measured(model, x, **options):
    return keras_alt.sensitivity(model, x, batch_size=8, verbose=False, **options)


def check_row(model, table, row, x, rule=None):
    """Check a row against the model that `retarget` gives, with its thresholds or a rule's."""
    narrow = keras_alt.retarget(model, overrides={row.layer: {"weights": row.bits}})
    if rule is not None:
        keep = [q for name, q in quantizers(narrow).items() if not is_kernel_of(row.layer, name)]
        keras_alt.calibrate(narrow, x, weights=rule, keep=keep, verbose=False)
    assert row.sqnr_db == pytest.approx(sqnr_db(model, narrow, x), rel=1e-9)
    told = keras_alt.report(narrow)
    totals = table.totals({row.layer: {"weights": row.bits}})
    assert totals.bytes == told.weight_bytes["quantized"]
    assert totals.bit_operations == bit_operations(told.multiply_accumulates)
    return narrow


def is_kernel_of(layer, name):
    return name in (f"{layer}/kernel", f"{layer}/depthwise_kernel")


@pytest.mark.full
@pytest.mark.parametrize("target", ["paper", "litert", "tflm", "onnx", "hls"])
def test_every_row_is_the_retargeted_model(target, images):
    model = quantized(images, target)
    for rule in (None, mse):
        table = measured(model, images, bits=(4,), weights=rule)
        assert list(table.kernels()) == ["first", "depthwise", "twice", "last"]
        for narrow, own in table.kernels().values():
            check_row(model, table, narrow, images, rule)
            assert (own.bits, own.sqnr_db) == (8, np.inf)


@pytest.mark.full
@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    ("name", "target"), [("yolo", "litert"), ("lstm_steps", "paper"), ("vit", "onnx")]
)
def test_a_row_of_a_network_is_the_retargeted_model(name, target, rng):
    network = NETWORKS[name]
    plain = randomize(network.make(), rng)
    x, config = network.inputs(plain, rng, 8), QuantizeConfig(target=target, **network.options)
    model = keras_alt.quantize_model(plain, config)
    keras_alt.calibrate(model, x, verbose=False)

    table = measured(model, x, bits=(4,), weights=None)

    middle = list(table.kernels().values())[len(table.kernels()) // 2]
    check_row(model, table, middle[0], x)
    again = keras_alt.quantize_model(plain, config.overridden(table.uniform(4)))
    kernels = [q for q in quantizers(again).values() if q.role == "kernel"]
    assert {q.format.bits for q in kernels} == {4}


@pytest.mark.parametrize("rule", [None, mse])
def test_a_row_is_the_retargeted_model(rule, model, images):
    labels, loss = np.arange(20) % 3, "sparse_categorical_crossentropy"

    table = measured(model, images, labels=labels, loss=loss, bits=(4,), weights=rule)

    row = table.kernels()["second"][0]
    assert row.bits == 4
    narrow = check_row(model, table, row, images, rule)
    for loss_of, expected in ((narrow, row.loss), (model, table.loss)):
        predicted = outputs(loss_of, images)[0]
        losses = -np.log(np.take_along_axis(predicted, labels[:, None], axis=1))
        assert expected == pytest.approx(losses.mean(), rel=1e-5)
    assert table.increase(row) == row.loss - table.loss


@pytest.mark.parametrize("layer", ["second", pytest.param("first_relu", marks=pytest.mark.full)])
def test_a_row_of_an_activation_is_the_retargeted_model(layer, model, images):
    table = measured(model, images, bits=(5,), activations=True)

    row = next(r for r in table.rows if (r.layer, r.role, r.bits) == (layer, "output", 5))
    narrow = keras_alt.retarget(model, overrides={layer: {"activations": 5}})
    assert row.sqnr_db == pytest.approx(sqnr_db(model, narrow, images), rel=1e-9)
    assert row.bytes == 0


def state(model):
    found = quantizers(model)
    return [(n, q.format, np.array(q.threshold).tolist(), q.observer) for n, q in found.items()]


def test_the_model_stays_as_it_is(model, images):
    losses = []

    def loss(labels, outputs):
        losses.append(0.0)
        if len(losses) == 3:
            raise KeyboardInterrupt
        return keras.ops.zeros(1)

    before, expected = state(model), outputs(model, images)
    measured(model, images, bits=(4,), activations=True)
    assert state(model) == before
    with pytest.raises(KeyboardInterrupt):
        measured(model, images, labels=np.zeros(20), loss=loss, bits=(3,))

    assert state(model) == before
    for now, then in zip(outputs(model, images), expected, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_budget_is_met_and_spent_at_best(model, images):
    table = measured(model, images, bits=(2, 3, 4, 6))
    size = table.totals(table.uniform(4)).bytes

    overrides = keras_alt.allocate(table, size=size)
    mixed = keras_alt.retarget(model, overrides=overrides)

    totals = table.totals(overrides)
    assert keras_alt.report(mixed).weight_bytes["quantized"] == totals.bytes <= size
    widths = [[row.bits for row in rows] for rows in table.kernels().values()]
    choices = [
        table.totals({name: {"weights": b} for name, b in zip(table.kernels(), bits, strict=True)})
        for bits in itertools.product(*widths)
    ]
    least = min(choice.loss for choice in choices if choice.bytes <= size)
    assert totals.loss == pytest.approx(least, rel=1e-9)
    operations = (choices[0].bit_operations + choices[-1].bit_operations) // 2
    by_operations = table.totals(keras_alt.allocate(table, bit_operations=operations))
    least = min(choice.loss for choice in choices if choice.bit_operations <= operations)
    assert by_operations.bit_operations <= operations
    assert by_operations.loss == pytest.approx(least, rel=1e-9)


numbers = st.floats(-1, 1, allow_subnormal=False) | st.sampled_from([0.0, 0.1, 0.2, 0.3])
items = st.lists(
    st.lists(st.tuples(st.integers(0, 30), numbers), min_size=1, max_size=4), min_size=1, max_size=5
)


@pytest.mark.check
@given(items, st.integers(0, 100))
def test_the_knapsack_is_the_best_of_all(options, budget):
    chosen = least_loss([Item(*zip(*item, strict=True)) for item in options], budget)

    sums = [tuple(map(sum, zip(*pick, strict=True))) for pick in itertools.product(*options)]
    fits = [loss for cost, loss in sums if cost <= budget]
    if not fits:
        assert chosen is None
        return
    picked = [item[option] for item, option in zip(options, chosen, strict=True)]
    assert sum(cost for cost, _ in picked) <= budget
    assert sum(loss for _, loss in picked) == pytest.approx(min(fits), abs=1e-7)


SQNR = {("a", 2): 10.0, ("a", 8): np.inf, ("b", 2): 10.0, ("b", 4): 10.0, ("b", 8): np.inf}


def rows(losses):
    return [
        SensitivityRow(layer, "weights", bits, SQNR[layer, bits], loss, size * bits, 100 * bits)
        for layer, size, by_bits in losses
        for bits, loss in by_bits.items()
    ]


def table():
    by_layer = [("a", 10, {2: 1.5, 8: 1.0}), ("b", 20, {2: 1.1, 4: 1.0, 8: 1.0})]
    return keras_alt.Sensitivity(rows(by_layer), 1.0, 16, 7)


@pytest.mark.check
def test_a_table_is_shown_and_read_again():
    found = table()

    assert keras_alt.Sensitivity.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert found.to_dict()["rows"][0]["bytes"] == 3
    lines = str(found).splitlines()
    assert lines[0].split()[:4] == ["layer", "role", "bits", "bytes"]
    assert lines[2].split() == ["a", "weights", "8", "10", "1.5000", "1.0000"]
    assert lines[9].split() == ["b", "weights", "8", "20", "10.0", "10.0", "same"]
    assert found.uniform(8) == {"a": {"weights": 8}, "b": {"weights": 8}}
    assert found.totals({}) == found.totals(found.uniform(8))
    assert found.totals({"b": {"weights": 2}}).bytes == (16 + 80 + 40) // 8


@pytest.mark.check
def test_a_budget_that_cannot_be_met_is_told():
    assert keras_alt.allocate(table(), size=17) == {"a": {"weights": 8}, "b": {"weights": 2}}
    for options, error, told in (
        ({"size": 9}, ValueError, "`size` must be at least 10,.*size=9"),
        ({"bit_operations": 406}, ValueError, "`bit_operations` must be at least 407"),
        ({}, TypeError, "one budget"),
        ({"size": 9, "bit_operations": 9}, TypeError, "one budget"),
    ):
        with pytest.raises(error, match=told):
            keras_alt.allocate(table(), **options)
    with pytest.raises(TypeError, match="what `keras_alt.sensitivity"):
        keras_alt.allocate({}, size=9)
    with pytest.raises(ValueError, match=r"measured: \[2, 8\]"):
        table().uniform(4)
    with pytest.raises(ValueError, match="what `Sensitivity.to_dict`"):
        keras_alt.Sensitivity.from_dict({"rows": [{"layer": "a"}]})


@pytest.mark.check
def test_wrong_arguments_are_told(images):
    inputs = keras.Input((3,))
    plain = keras.Model(inputs, L.Dense(2, name="only")(inputs))
    model = keras_alt.quantize_model(plain)
    x = images[:, 0, 0]
    with pytest.raises(ValueError, match="no threshold for"):
        measured(model, x)
    with pytest.raises(ValueError, match="kernels of some bits"):
        measured(plain, x)
    keras_alt.calibrate(model, x, verbose=False)
    for options, told in (
        ({"bits": ()}, "must be widths"),
        ({"bits": (1,)}, "from 2 to 32"),
        ({"labels": np.zeros(20)}, "belong together"),
        ({"labels": np.zeros(3), "loss": "mse"}, "3 labels, 20 samples"),
    ):
        with pytest.raises(ValueError, match=told):
            measured(model, x, **options)
    with pytest.raises(ValueError, match="not all zero"):
        measured(model, 0 * x)
    with pytest.raises(ValueError, match="loss of the model must be finite.*nan"):
        measured(model, x, labels=np.zeros(20), loss=lambda labels, outputs: outputs * np.nan)


@pytest.mark.check
def test_more_overrides_come_last():
    config = QuantizeConfig(overrides={"a*": {"weights": 4, "biases": 20}, "b": {"weights": 5}})

    more = config.overridden({"a*": {"weights": 6}, "b": {"activations": 7}})

    assert list(more.overrides) == ["a*", "b"]
    assert more.for_layer("ab").weights == 6
    assert more.for_layer("ab").biases == 20
    assert (more.for_layer("b").weights, more.for_layer("b").activations) == (5, 7)
    assert list(config.overridden({"a*": {}}).overrides) == ["b", "a*"]
