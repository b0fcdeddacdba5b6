"""Float layers between quantizers: what is read, and what is compared."""

import island_zoo
import keras
import numpy as np
import pytest
from island_zoo import ISLANDS
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig, integer


def quantized(make, rng, target="litert"):
    model = keras_alt.quantize_model(make(), QuantizeConfig(target=target))
    x = island_zoo.inputs_of(model, rng)
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


def computed(reading, x):
    """Return the outputs of a model: its integers in NumPy, its float layers in Keras."""
    program, floats = reading.program, keras.tree.flatten(reading.entry([x], training=False))
    values = dict(zip(program.inputs, integer.quantize_inputs(reading, x), strict=True))
    passing = map(keras.ops.convert_to_numpy, floats[len(program.inputs) :])
    values.update(zip(reading.passing, passing, strict=True))

    def given(source):
        if not isinstance(source, int):
            return values[source]
        return np.ldexp(values[source], program.tensors[source].exponent).astype("float32")

    for part in reading.sequence():
        if isinstance(part, integer.Step):
            operands = [values[position] for position in part.inputs]
            compute = integer.OPERATIONS[part.operation].compute
            values[part.output] = compute(*operands, **part.arguments)
            continue
        results = part.model([given(s) for s in part.inputs], training=False)
        results = map(keras.ops.convert_to_numpy, keras.tree.flatten(results))
        for sink, result in zip(part.outputs, results, strict=True):
            values[sink] = result
            if isinstance(sink, int):
                t = program.tensors[sink]
                codes = np.rint(np.ldexp(result.astype("float64"), -t.exponent))
                values[sink] = np.clip(codes, t.low, t.high).astype(np.int64)
    outputs = reading.exit([given(source) for source in reading.exit_inputs], training=False)
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(outputs)]


@pytest.mark.parametrize("name", ISLANDS)
def test_integers_and_islands_in_order_are_the_model(name, rng):
    make, layers = ISLANDS[name]
    model, x = quantized(make, rng)
    reading = integer.read(model)

    assert sorted(reading.island_layers) == sorted(layers)
    expected = keras.tree.flatten(model(x, training=False))
    for result, value in zip(computed(reading, x), expected, strict=True):
        np.testing.assert_array_equal(result, keras.ops.convert_to_numpy(value))
    assert_written_once(reading)


def assert_written_once(reading):
    """No layer is in two parts, and every part is in the sequence."""
    layers = [*reading.entry_layers, *reading.island_layers, *reading.exit_layers]
    assert len(layers) == len(set(layers))
    parts = list(reading.sequence())
    assert len(parts) == len(reading.program.steps) + len(reading.islands)


def test_integers_alone_keep_the_order_of_the_program(rng):
    model, _ = quantized(island_zoo.chain(island_zoo.conv, island_zoo.head), rng)
    reading = integer.read(model)
    assert list(reading.sequence()) == reading.program.steps


def test_islands_of_one_depth_that_exchange_no_floats_are_two(rng):
    reading = integer.read(quantized(island_zoo.islands_side_by_side, rng)[0])
    assert sorted(island.layers for island in reading.islands) == [
        ["layer_normalization"],
        ["lstm"],
    ]


def test_sums_of_a_model_with_islands_are_measured(rng):
    model, _ = quantized(ISLANDS["lstm_between"][0], rng)
    report = keras_alt.report(model)
    assert [row.layer for row in report.accumulators] == ["conv", "head"]
    assert report.no_integers is None


def test_a_model_with_islands_is_retargeted(rng):
    model, x = quantized(ISLANDS["lstm_between"][0], rng)
    other = keras_alt.retarget(model, "onnx", calibration_data=x)
    assert integer.read(other).island_layers == ["lstm"]
    with pytest.raises(integer.NotIntegerError, match="float layers lstm"):
        keras_alt.verify(keras_alt.retarget(model, "paper", x), x, verbose=False)


def test_a_merge_of_a_float_head_stays_float(rng):
    inputs = keras.Input((12, 4))
    first, second = L.Conv1D(4, 3, name="first")(inputs), L.Conv1D(4, 3, name="second")(inputs)
    heads = L.Concatenate(name="heads")([L.Softmax(name="softmax")(first), second])
    third = L.Conv1D(4, 3, name="third", activation="relu")(second)
    model, x = quantized(lambda: keras.Model(inputs, [L.ReLU(name="relu")(heads), third]), rng)
    reading = integer.read(model)

    assert not reading.islands
    assert reading.exit_layers == ["softmax", "heads", "relu"]
    names = [reading.program.tensors[position].name for position in reading.program.outputs]
    assert sorted(names) == ["first/output", "second/output", "third_relu/output"]
    assert keras_alt.verify(model, x, engine="litert", verbose=False)


def test_a_kernel_behind_a_float_layer_keeps_what_leads_to_it_quantized(rng):
    inputs = keras.Input((12, 4))
    x = L.Softmax((1, 2), name="softmax")(island_zoo.conv()(inputs))
    x = L.ReLU(name="relu")(L.Concatenate(name="both")([x, L.Conv1D(4, 3)(inputs)]))
    model, _ = quantized(lambda: keras.Model(inputs, island_zoo.head()(x)), rng)

    assert integer.read(model).island_layers == ["softmax"]
