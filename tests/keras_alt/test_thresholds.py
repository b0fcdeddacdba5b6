"""The rules reproduce the reference's thresholds (spec section 3, checks 31-34, 37)."""

import numpy as np
import pytest
from conftest import rule_name

from keras_alt import FixedPoint
from keras_alt.calibration import Histogram, kl_j, maximum, mse, percentile, three_sigma

pytestmark = pytest.mark.check

RULES = (maximum, three_sigma, percentile(99.9), kl_j, mse)


def of(values):
    result = Histogram()
    result.update(values)
    return result


@pytest.fixture(scope="module")
def draws():
    random = np.random.RandomState(0)
    return {
        "1000": random.randn(1000),
        "20000": random.randn(20000),
        "100000": random.randn(100000),
        "relu": np.maximum(random.randn(200000), 0),
        "laplace": random.laplace(size=100000),
        "linspace": np.linspace(0, 1, 40001),
    }


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("1000", FixedPoint(8), 3.04614),
        ("20000", FixedPoint(8), 4.05520),
        ("100000", FixedPoint(8), 3.71179),
        ("100000", FixedPoint(4), 2.59443),
        ("100000", FixedPoint(16), 4.85212),
        ("relu", FixedPoint(8, signed=False), 4.01414),
        ("laplace", FixedPoint(8), 9.20506),
        ("laplace", FixedPoint(4), 3.62078),
        ("linspace", FixedPoint(8), 1.00249),
    ],
)
def test_kl_j(draws, name, format, expected):
    assert kl_j(of(draws[name]), format) == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize(
    ("name", "expected"), [("100000", 3.00143), ("laplace", 4.23397), ("linspace", 1.36605)]
)
def test_three_sigma(draws, name, expected):
    assert three_sigma(of(draws[name]), FixedPoint(8)) == pytest.approx(expected, abs=6e-6)


def test_maximum():  # check 31
    h = of([0.5, -0.25, 0.1])
    assert maximum(h, FixedPoint(8)) == 0.5
    assert FixedPoint(8).scale_exponent(np.log2(0.5)) == -8


@pytest.mark.parametrize(
    ("format", "enough"), [(FixedPoint(8), 16385), (FixedPoint(8, signed=False), 65537)]
)
def test_kl_j_falls_back_to_the_maximum(rng, format, enough):  # check 33
    x = np.abs(rng.normal(size=enough))
    x[0] = 0.0
    assert kl_j(of(x[:-1]), format) == np.float32(x[:-1].max())
    assert kl_j(of(x), format) != np.float32(x.max())
    assert kl_j(of(x), FixedPoint(16)) == np.float32(x.max())


@pytest.mark.parametrize("p", [50, 99, 99.99, 100])
def test_percentile_is_a_share_of_the_values(rng, p):
    x = rng.normal(size=20000)
    threshold = percentile(p)(of(x), FixedPoint(8))
    assert (np.abs(x.astype("float32")) <= threshold).mean() * 100 == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize("p", [0, -1, 101])
def test_percentile_checks_its_parameter(p):
    with pytest.raises(ValueError, match=f"Received: p={p}"):
        percentile(p)


@pytest.mark.parametrize(("bits", "octave"), [(2, 1), (3, 1), (4, 2), (8, 2)])
def test_mse_finds_the_best_grid(draws, bits, octave):  # spec 1.6
    assert np.ceil(np.log2(mse(of(draws["100000"]), FixedPoint(bits)))) == octave


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_all_zero_values_give_one(rule):  # check 37
    assert rule(of(np.zeros(100)), FixedPoint(8)) == 1.0


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
@pytest.mark.parametrize("value", [0.3, -4.0])
def test_constant_values_give_their_magnitude(rule, value):
    assert rule(of(np.full(50000, value)), FixedPoint(8)) == pytest.approx(abs(value), rel=1e-6)


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_no_values_are_an_error(rule):
    with pytest.raises(ValueError, match="at least one value"):
        rule(Histogram(), FixedPoint(8))
