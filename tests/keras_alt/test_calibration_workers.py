"""Workers that calibrate on shards get the thresholds that one gets from all data, exactly."""

import threading

import keras
import models
import numpy as np
import pytest
from conftest import randomize, rule_name
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.calibration import Histogram, histogram, kl_j, maximum, mse, percentile, three_sigma
from keras_alt.calibration.workers import Workers

BATCH = 4


class Together:
    """Threads that stand for workers."""

    def __init__(self, count):
        self.count = count
        self.barrier = threading.Barrier(count, timeout=60)
        self.arrays = [None] * count

    def all_gather(self, rank):
        def gather(array):
            self.barrier.wait()
            self.arrays[rank] = array.copy()
            self.barrier.wait()
            return list(self.arrays)

        return gather

    def run(self, function):
        """Return what `function(rank, all_gather)` returns or raises on each worker."""
        results = [None] * self.count

        def work(rank):
            try:
                results[rank] = function(rank, self.all_gather(rank))
            except Exception as error:
                results[rank] = error

        threads = [threading.Thread(target=work, args=(r,)) for r in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


def network(rng):
    x = inputs = keras.Input((8, 8, 3))
    x = models.conv_block(x, 4)
    y = L.Conv2D(4, 3, padding="same")(x)
    x = L.Add()([x, y])
    return randomize(keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(x))), rng)


def by_batches(x):
    """Shards of whole batches, as a `tf.data.Dataset` of batches gives them to two workers."""
    batches = x.reshape(-1, BATCH, *x.shape[1:])
    return [np.concatenate(batches[rank::2]) for rank in (0, 1)]


def halves(x):
    return np.split(x, [8])  # of different sizes


def calibrated(model, data, config=None, **kwargs):
    q = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(q, data, batch_size=BATCH, verbose=False, **kwargs)
    return q.get_weights()


@pytest.mark.parametrize(
    ("config", "options", "shards"),
    [
        ({}, {}, by_batches),
        pytest.param({}, {}, halves, marks=pytest.mark.full),
        pytest.param(
            {"weight_scales": "channel"},
            {"activations": mse, "bias_correction": True},
            by_batches,
            marks=pytest.mark.full,
        ),
        pytest.param(
            {"inputs": "uint8"},
            {"activations": three_sigma, "bias_correction": True},
            by_batches,
            marks=pytest.mark.full,
        ),
    ],
    ids=["kl_j", "kl_j-halves", "mse", "three_sigma"],
)
def test_two_halves_give_what_the_whole_gives(config, options, shards, rng, monkeypatch):
    monkeypatch.setattr(histogram, "RAW_VALUES", 3000)  # some are counted in bins, others not
    model, config = network(rng), QuantizeConfig(**config)
    x = rng.normal(size=(24, 8, 8, 3)).astype("float32")
    x = np.abs(np.rint(9 * x)) if config.inputs == "uint8" else x
    whole = calibrated(model, x, config, **options)
    parts = shards(x)

    results = Together(2).run(
        lambda rank, gather: calibrated(model, parts[rank], config, all_gather=gather, **options)
    )

    for weights in results:
        for a, b in zip(whole, weights, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.full
def test_one_fraction_on_one_worker_makes_bytes_no_codes(rng):
    model = network(rng)
    x = rng.integers(0, 200, (16, 8, 8, 3)).astype("float32")
    x[-1, 0, 0, 0] = 0.5
    config = QuantizeConfig(inputs="uint8")

    results = Together(2).run(
        lambda rank, gather: calibrated(model, halves(x)[rank], config, all_gather=gather)
    )

    for weights in results:
        for a, b in zip(calibrated(model, x, config), weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_error_on_one_worker_ends_all(rng):
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    x = rng.normal(size=(16, 4)).astype("float32")
    x[-1] = np.nan

    first, second = Together(2).run(
        lambda rank, gather: calibrated(model, halves(x)[rank], all_gather=gather)
    )

    assert isinstance(second, ValueError)
    assert isinstance(first, RuntimeError)
    assert "worker 1: ValueError: " in str(first)
    assert "NaN" in str(first)


def test_workers_with_different_models_are_told_so(rng):
    one, other = (keras.Sequential([keras.Input((4,)), L.Dense(2)]) for _ in range(2))
    x = rng.normal(size=(8, 4)).astype("float32")

    errors = Together(2).run(
        lambda rank, gather: calibrated([one, other][rank], x, all_gather=gather)
    )

    for error in errors:
        assert isinstance(error, ValueError)
        assert "the same model and arguments" in str(error)


@pytest.mark.check
@pytest.mark.parametrize("values", [0, 1, 500, 5000])
@pytest.mark.parametrize("rule", [maximum, three_sigma, percentile(99), kl_j, mse], ids=rule_name)
def test_a_histogram_is_the_same_in_another_process(values, rule, rng, monkeypatch):
    monkeypatch.setattr(histogram, "RAW_VALUES", 1000)
    before = Histogram()
    for part in np.array_split(rng.normal(size=values), 3):
        before.update(part)

    after = Histogram.from_bytes(before.to_bytes())

    assert (after.count, after.mean, after.std) == (before.count, before.mean, before.std)
    assert (after.min_abs, after.max_abs) == (before.min_abs, before.max_abs)
    if values:
        assert rule(after, keras_alt.FixedPoint(8)) == rule(before, keras_alt.FixedPoint(8))


@pytest.mark.check
def test_contents_of_any_length_are_exchanged():
    contents = [b"", b"abcde", b"abcd", b"\x00"]

    results = Together(4).run(lambda rank, gather: Workers(gather).gather(contents[rank]))

    assert results == [contents] * 4


@pytest.mark.check
@pytest.mark.parametrize(
    ("all_gather", "error"), [(3, TypeError), (lambda a: a, ValueError), (lambda a: [], ValueError)]
)
def test_a_function_that_gathers_nothing_is_named(all_gather, error):
    with pytest.raises(error, match="`all_gather` must"):
        Workers(all_gather).gather(b"abc")


def test_rounding_by_outputs_is_for_one_worker(rng):
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    x = rng.normal(size=(8, 4)).astype("float32")
    with pytest.raises(NotImplementedError, match="one worker"):
        calibrated(model, x, adaptive_rounding=True, all_gather=lambda array: [array])
