"""A histogram is a summary of a stream that does not depend on how the stream was cut."""

import numpy as np
import pytest
from conftest import rule_name
from hypothesis import given
from hypothesis import strategies as st

from keras_alt import FixedPoint
from keras_alt.calibration import Histogram, histogram, kl_j, maximum, mse, percentile, three_sigma

pytestmark = pytest.mark.check


def filled(*arrays):
    result = Histogram()
    for array in arrays:
        result.update(array)
    return result


def test_moments_are_those_of_all_values(rng):
    parts = [rng.normal(3, 2, n).astype("float32") for n in (1, 1000, 77)]
    whole = np.concatenate(parts).astype("float64")
    h = filled(*parts)
    assert h.count == len(whole)
    assert h.max_abs == np.abs(whole).max()
    assert h.min_abs == np.abs(whole).min()
    np.testing.assert_allclose([h.mean, h.std], [whole.mean(), whole.std()], rtol=1e-6)


@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40), min_size=1, max_size=6
    )
)
def test_merging_is_updating(parts):
    arrays = [np.array(part, "float32") for part in parts]
    merged = Histogram()
    for array in arrays:
        merged.merge(filled(array))
    h = filled(*arrays)
    np.testing.assert_array_equal(np.sort(h.magnitudes()[0]), np.sort(merged.magnitudes()[0]))
    np.testing.assert_allclose([h.mean, h.std], [merged.mean, merged.std], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scales", [(1e-3, 1e2, 1, 10), (0, 0, 1, 1e-40), (0, 1e-40, 0, 0)])
def test_beyond_the_limit_counts_do_not_depend_on_order(scales, rng, monkeypatch):
    monkeypatch.setattr(histogram, "RAW_VALUES", 1000)
    parts = [(scale * rng.normal(size=700)).astype("float32") for scale in scales]
    forward, backward = filled(*parts), filled(*parts[::-1])
    merged = filled(*parts[:2])
    merged.merge(filled(*parts[2:]))
    for other in (backward, merged):
        for a, b in zip(forward.magnitudes(), other.magnitudes(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert forward.magnitudes()[1].sum() == 2800


@pytest.mark.parametrize("rule", [maximum, three_sigma, percentile(99.9), kl_j, mse], ids=rule_name)
def test_zeros_beyond_the_limit_have_a_threshold(rule, monkeypatch):
    monkeypatch.setattr(histogram, "RAW_VALUES", 1000)
    zeros, merged = filled(*np.zeros((3, 700))), filled(*np.zeros((2, 700)))
    merged.merge(zeros)
    for h in (zeros, merged):
        assert rule(h, FixedPoint(8)) == 1.0


def test_memory_is_bounded(rng, monkeypatch):
    monkeypatch.setattr(histogram, "RAW_VALUES", 1000)
    h = Histogram()
    for _ in range(50):
        h.update(rng.normal(size=1000))
    assert h._raw is None
    assert len(h._counts) == histogram.BINS


def test_bins_are_close_to_the_values(rng, monkeypatch):
    monkeypatch.setattr(histogram, "RAW_VALUES", 1000)
    x = np.abs(rng.normal(size=5000)).astype("float32")
    values, counts = filled(x).magnitudes()
    assert abs(np.dot(values, counts) / 5000 - x.mean()) < 1e-4
    assert values.max() <= x.max()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_whole(bad):
    h = filled([1.0, 2.0])
    with pytest.raises(ValueError, match="Received: 1 NaN or infinite values among 3"):
        h.update([0.0, bad, 5.0])
    assert (h.count, h.max_abs) == (2, 2.0)


def test_values_near_the_largest_float32_have_a_deviation():
    largest = np.finfo(np.float32).max
    found = Histogram()
    found.update(np.array([largest, -largest, 0.0, 1.0], np.float32))
    assert found.std == pytest.approx(float(largest) / np.sqrt(2))
