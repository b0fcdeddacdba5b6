"""A certificate bounds every sum for all inputs, and its checker finds what is wrong with it."""

import json
import shutil

import exported
import island_zoo
import keras
import layer_zoo
import numpy as np
import pytest
from alone import run_alone
from conftest import pairs, randomize, sample
from hypothesis import assume, given
from hypothesis import strategies as st
from keras import layers as L
from models import residual
from random_networks import FEW_NETWORKS, quantized_networks
from test_integer_extension import BLOCKS, Square, between_quantizers, registries  # noqa: F401
from test_interval_arithmetic import assert_within, extremes

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.certificate import checker, checker_rules
from keras_alt.certificate.document import certificate
from keras_alt.engines.integer.export import Description, as_text
from keras_alt.engines.integer.packing import pack, unpack
from keras_alt.export import to_integers
from keras_alt.quantizer import quantizers
from keras_alt.targets import TARGETS


@pytest.fixture
def model(rng):
    model = keras_alt.quantize_model(randomize(residual(), rng), QuantizeConfig(target="litert"))
    keras_alt.calibrate(model, sample(model, rng, 16), verbose=False)
    return model


def certified(reading):
    """Return the certificate of a reading as its file holds it."""
    return json.loads(as_text(certificate(reading)))


def rows(certificate):
    return [row for layer in certificate["layers"] for row in layer["sums"]]


def checked(claimed, reading):
    description = Description(reading)
    program = json.loads(as_text({"target": reading.target, **description.program()}))
    return checker.problems(claimed, program, description.packed())


def ones(*layers, threshold=1.0, **options):
    """Return a quantized network with all thresholds equal."""
    model = keras_alt.quantize_model(keras.Sequential([*layers]), QuantizeConfig(**options))
    for quantizer in quantizers(model).values():
        quantizer.set_threshold(threshold)
    return model


@FEW_NETWORKS
@given(quantized_networks(st.sampled_from(sorted(TARGETS))))
def test_sums_of_random_networks_stay_in_their_bounds_and_the_checker_agrees(drawn):
    reading = integer.read(drawn[0])
    claimed = certified(reading)

    assert checked(claimed, reading) == []

    assume(not reading.islands)
    codes = list(extremes(reading, np.random.default_rng(0)))
    for inputs in (codes, integer.quantize_inputs(reading, drawn[1])):
        values = integer.trace(reading.program, inputs)
        for row in rows(claimed):
            sums = values[reading.program.steps[row["step"]].output]
            if row["operation"] != "softmax":
                assert (sums >= row["low"]).all()
                assert (sums <= row["high"]).all()
            assert row["partial"][0] <= sums.min()
            assert sums.max() <= row["partial"][1]


@FEW_NETWORKS
@given(quantized_networks(st.sampled_from(sorted(TARGETS))))
def test_no_sum_reaches_more_than_its_accumulator(drawn):
    """The widths by which exporters refuse are no narrower than what is proven."""
    reading = integer.read(drawn[0])
    worst = {}
    for row in integer.accumulators(reading):
        worst[row.layer] = max(row.worst, worst.get(row.layer, 0))
    for row in rows(certified(reading)):
        reached = row["limits"][0]["reached"]
        if row["operation"] in ("convolve", "convolve_transposed", "matrix_product"):
            assert max(-reached[0], reached[1]) <= worst[row["layer"]]


SIZES = [(3, 4, 5, 2), (8, 4), (6, 6, 4)]


def long(target, size):
    return [pytest.mark.full] * (len(size) == 3 or target in ("onnx", "hls"))


@pytest.mark.parametrize(("target", "size"), pairs(TARGETS, SIZES, long))
def test_the_checker_agrees_about_every_layer_of_the_zoo(target, size, rng):
    quantized, x = exported.quantized(layer_zoo.network(size=size, target=target), rng, target)
    reading = integer.read(quantized)
    claimed = certified(reading)
    assert claimed["open"] == []
    assert checked(claimed, reading) == []
    bounds = integer.intervals(reading.program)
    for position, codes in integer.trace(
        reading.program, integer.quantize_inputs(reading, x)
    ).items():
        assert_within(codes, bounds[position])


@pytest.mark.parametrize("name", ["lstm_between", "islands_of_two_depths"])
def test_nothing_is_claimed_about_float_layers(name):
    make, floats = island_zoo.ISLANDS[name]
    quantized = keras_alt.quantize_model(make(), QuantizeConfig(target="litert"))
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    reading = integer.read(quantized)
    claimed = certified(reading)
    assert set(floats) <= set(claimed["floats"]["between"])
    assert checked(claimed, reading) == []


@pytest.mark.parametrize("target", ["litert", "paper"])
def test_scales_of_channels_are_bounded_in_their_own_units(target, rng):
    network = [keras.Input((6, 6, 3)), L.Conv2D(4, 3), L.Conv2D(4, 3, name="second")]
    config = QuantizeConfig(target=target, weight_scales="channel")
    quantized = keras_alt.quantize_model(keras.Sequential(network), config)
    kernel = quantized.get_layer("second").kernel
    kernel.assign(kernel * np.array([1, 8, 64, 512]))
    keras_alt.calibrate(quantized, sample(quantized, rng, 16), verbose=False)
    reading = integer.read(quantized)
    worst = {row.layer: row.worst for row in integer.accumulators(reading)}

    claimed = certified(reading)

    assert checked(claimed, reading) == []
    assert claimed["proven"]
    for row in rows(claimed):
        reached = row["limits"][0]["reached"]
        if row["operation"] == "convolve" or target == "litert":
            assert max(-reached[0], reached[1]) <= worst[row["layer"]]


@pytest.mark.parametrize(("size", "numbers"), [(512, ()), (2048, ["float32"])])
def test_a_sum_beyond_float32_is_open_and_named(size, numbers, tmp_path):
    dense = L.Dense(1, kernel_initializer="ones", name="wide")
    quantized = ones(keras.Input((size,)), dense, target="litert")
    report = keras_alt.report(quantized)
    report.certificate(tmp_path / "c.json")
    report.certificate(tmp_path / "c.html")

    claimed = json.loads((tmp_path / "c.json").read_text())

    (row,) = rows(claimed)
    assert row["low"] == [size * 127 * -128]
    assert row["high"] == [size * 127 * 127]
    assert [limit["number"] for limit in row["limits"] if not limit["holds"]] == [*numbers]
    assert claimed["proven"] is (not numbers)
    assert {reason["layer"] for reason in claimed["open"]} == ({"wide"} if numbers else set())
    page = (tmp_path / "c.html").read_text()
    assert ("Not proven" in page) is bool(numbers)
    assert keras_alt.check_certificate(tmp_path / "c.json", quantized) == []


def test_a_sum_beyond_32_bits_is_open():
    dense = L.Dense(1, kernel_initializer="ones", name="wide")
    quantized = ones(keras.Input((140_000,)), dense, target="tflm")
    claimed = certified(integer.read(quantized))
    (row,) = rows(claimed)
    assert [limit["holds"] for limit in row["limits"]] == [False, False, True]
    assert any("32 bits may overflow" in reason["reason"] for reason in claimed["open"])


def test_a_sum_is_bounded_with_its_parts():
    """Without some of its terms, a sum of positive codes may be larger than the whole."""
    last = L.Dense(1, name="last")
    network = [keras.Input((4,)), L.Dense(4), L.Activation("sigmoid"), last]
    quantized = ones(*network, target="onnx")
    quantized.get_layer("last").kernel.assign([[0.5], [0.5], [-0.5], [-0.5]])
    program = integer.read(quantized).program
    product = [step for step in program.steps if step.operation == "matrix_product"][-1]
    codes = integer.intervals(program)[product.inputs[0]]
    weights = product.attributes["kernel"].codes.ravel()
    assert codes.ends()[0] > 0

    row = rows(certified(integer.read(quantized)))[-1]

    assert row["partial"][1] == (codes.high * weights)[:2].sum() > row["high"][0]
    assert row["partial"][0] == (codes.high * weights)[2:].sum() < row["low"][0]


def test_the_checker_runs_without_this_package(model, tmp_path):
    keras_alt.report(model).certificate(tmp_path / "certificate.json")
    to_integers(model, tmp_path / "integers")
    for module in (checker, checker_rules):
        shutil.copy(module.__file__, tmp_path)
    process = run_alone(tmp_path, "checker.py", "certificate.json", "integers")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


def tampered(folder, name, change):
    """Change codes of a constant in an exported folder."""
    about = json.loads((folder / "model.json").read_text())["constants"][name]
    with np.load(folder / "weights.npz") as file:
        weights = dict(file)
    codes = unpack(weights[name], about["bits"], about["signed"], about["shape"])
    weights[name] = pack(change(codes), about["bits"])
    np.savez(folder / "weights.npz", **weights)


@pytest.mark.parametrize("part", ["kernel", "bias"])
def test_a_single_other_weight_is_found_and_its_layer_named(part, model, tmp_path):
    keras_alt.report(model).certificate(tmp_path / "certificate.json")
    to_integers(model, tmp_path / "integers")

    def change(codes):
        codes.ravel()[3] += 1 if codes.ravel()[3] < 1 else -1
        return codes

    tampered(tmp_path / "integers", f"conv2d_1/{part}", change)

    problems = keras_alt.check_certificate(tmp_path / "certificate.json", tmp_path / "integers")

    assert problems[0].startswith(f"layer 'conv2d_1': the codes of 'conv2d_1/{part}'")
    # The bounds tell it too, also to who forges the hash.
    assert any("'conv2d_1': the low" in p or "'conv2d_1': the high" in p for p in problems[1:])
    for module in (checker, checker_rules):
        shutil.copy(module.__file__, tmp_path)
    process = run_alone(tmp_path, "checker.py", "certificate.json", "integers")
    assert process.returncode == 1
    assert process.stdout.splitlines() == problems


FORGERIES = {
    "a bound": (lambda row: row["high"].__setitem__(0, row["high"][0] - 1), "the high of"),
    "a partial bound": (lambda row: row["partial"].__setitem__(1, 5), "the partial of"),
    "what is reached": (lambda row: row["limits"][0].update(reached=[0, 1]), "what is reached"),
    "a range": (lambda row: row["limits"][0].update(most=2**40), "the range of float32"),
    "a verdict": (lambda row: row["limits"][0].update(holds=False), "the verdict of float32"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_claim_is_found(forgery, model):
    reading = integer.read(model)
    claimed = certified(reading)
    forge, words = FORGERIES[forgery]
    row = next(row for row in rows(claimed) if row["layer"] == "conv2d_2")
    forge(row)
    problems = checked(claimed, reading)
    assert any(p.startswith("layer 'conv2d_2': ") and words in p for p in problems)


def test_the_checker_takes_tensors_without_axes():
    x = inputs = keras.Input((4,))
    x = keras.ops.max(L.Dense(3)(x), axis=1)
    model = keras.Model(inputs, keras.ops.reshape(x + x, (-1, 1)))
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    reading = integer.read(quantized)
    claimed = certified(reading)
    sums = [reading.program.steps[row["step"]].output for row in rows(claimed)]
    assert () in [reading.program.tensors[position].shape for position in sums]
    assert checked(claimed, reading) == []


def test_a_sum_that_is_left_out_is_found(model):
    reading = integer.read(model)
    claimed = certified(reading)
    layer = next(layer for layer in claimed["layers"] if layer["layer"] == "conv2d")
    layer["sums"].clear()
    (problem,) = checked(claimed, reading)
    assert problem.startswith("layer 'conv2d': the certificate leaves out step")


def test_other_operations_are_found(model, tmp_path):
    keras_alt.report(model).certificate(tmp_path / "certificate.json")
    other = ones(keras.Input((4,)), L.Dense(2), target="litert")
    (problem,) = keras_alt.check_certificate(tmp_path / "certificate.json", other)
    assert problem == "the model has other operations or formats than the certificate"


def test_an_operation_from_outside_is_never_proven():
    exec(BLOCKS[1], {"Square": Square})
    quantized, *_ = between_quantizers(Square(name="power"))
    reading = integer.read(quantized)
    claimed = certified(reading)
    assert not claimed["proven"]
    assert claimed["open"] == [{"layer": "power", "reason": "'square' comes from another package"}]
    assert checked(claimed, reading) == []


def test_a_model_without_integers_gets_a_certificate_that_claims_nothing(tmp_path):
    quantized = keras_alt.quantize_model(residual())
    report = keras_alt.report(quantized)
    for name in ("certificate.json", "certificate.html"):
        report.certificate(tmp_path / name)
    claimed = json.loads((tmp_path / "certificate.json").read_text())
    assert not claimed["proven"]
    assert "keras_alt.calibrate" in claimed["open"][0]["reason"]
    assert "Not proven" in (tmp_path / "certificate.html").read_text()


def test_the_page_stands_alone_and_names_every_layer(model, tmp_path):
    keras_alt.report(model).certificate(tmp_path / "certificate.html")
    page = (tmp_path / "certificate.html").read_text()
    for step in integer.read(model).program.steps:
        assert f"<h2>{step.layer}</h2>" in page
    assert "width=device-width" in page
    assert "src=" not in page
    assert "href=" not in page


def test_another_ending_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"end its path in \.json or \.html"):
        keras_alt.report(model).certificate(tmp_path / "certificate.pdf")


@pytest.mark.check
def test_the_checker_covers_every_operation():
    assert set(checker_rules.RULES) == set(integer.OPERATIONS)
