"""Number formats, configuration and targets check themselves."""

import pytest

from keras_alt import FixedPoint, QuantizeConfig
from keras_alt.targets import TARGETS, get_target

pytestmark = pytest.mark.check


@pytest.mark.parametrize(
    ("format", "levels", "qmin", "qmax", "text"),
    [
        (FixedPoint(8), 128, -128, 127, "int8"),
        (FixedPoint(8, signed=False), 256, 0, 255, "uint8"),
        (FixedPoint(8, narrow=True), 128, -127, 127, "int8 narrow"),
        (FixedPoint(2), 2, -2, 1, "int2"),
    ],
)
def test_codes(format, levels, qmin, qmax, text):
    assert (format.levels, format.qmin, format.qmax, str(format)) == (levels, qmin, qmax, text)
    assert FixedPoint.from_config(format.get_config()) == format


@pytest.mark.parametrize(
    ("log2_threshold", "exponent"), [(0.0, -7), (0.2, -6), (-0.2, -7), (13.0, 6)]
)
def test_scale_exponent_is_that_of_the_next_power_of_two(log2_threshold, exponent):
    assert FixedPoint(8).scale_exponent(log2_threshold) == exponent


@pytest.mark.parametrize("bits", [1, 33, 8.0, None])
def test_wrong_bits(bits):
    with pytest.raises(ValueError, match="Received: bits="):
        FixedPoint(bits)


def test_narrow_needs_a_sign():
    with pytest.raises(ValueError, match="signed=False"):
        FixedPoint(8, signed=False, narrow=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": 1}, "Received: weights=1"),
        ({"target": "gpu"}, "Received: target='gpu'"),
        ({"batch_norm": "keep"}, "Received: batch_norm='keep'"),
        ({"overrides": {"a": {"kernel": 4}}}, "Received: overrides="),
        ({"overrides": {"a": {"weights": 99}}}, r"overrides\['a'\]\['weights'\]"),
    ],
)
def test_wrong_configuration(arguments, message):
    with pytest.raises(ValueError, match=message):
        QuantizeConfig(**arguments)


def test_a_string_is_not_a_sequence_of_globs():
    with pytest.raises(TypeError, match="Received: skip='head'"):
        QuantizeConfig(skip="head")


def test_later_overrides_win():
    config = QuantizeConfig(
        weights=4, overrides={"block_*": {"weights": 3}, "block_2": {"weights": None}}
    )
    assert config.for_layer("stem").weights == 4
    assert config.for_layer("stem", first_or_last=True).weights == 8
    assert config.for_layer("block_1", first_or_last=True).weights == 3
    assert config.for_layer("block_2").weights is None


def test_targets_are_found_by_name():
    assert all(get_target(name).name == name for name in TARGETS)
    with pytest.raises(ValueError, match="must be one of"):
        get_target("paper8")
