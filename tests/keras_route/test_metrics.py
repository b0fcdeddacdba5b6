"""Metrics count what NumPy counts, in a compiled fit too (checks 44, 45)."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_route.data.random_nets import generate
from keras_route.layout.connectivity import connected
from keras_route.losses import ScoreCrossEntropy
from keras_route.metrics import ConnectedRate, ExactMatch, PixelF1, PixelPrecision, PixelRecall
from keras_route.models.comparator import decide
from keras_route.technology.layers import LAYERS

PIXEL = [PixelPrecision, PixelRecall, PixelF1]
ALL = [*PIXEL, ConnectedRate, ExactMatch]
SELECTIONS = [{}, {"pins": False}, {"layer": "m4"}, {"layer": "via5"}, {"layer": "pin"}]


def value(metric, *batches):
    for labels, predicted in batches:
        metric.update_state(labels, predicted)
    return float(ops.convert_to_numpy(metric.result()))


def expected(labels, predicted, layer=None, pins=True):
    """Return precision, recall and F1 from their definition; 0 where it is 0/0."""
    channels = [LAYERS.index(layer)] if layer else range(not pins, 8)
    labels, predicted = labels[..., channels] > 0, predicted[..., channels] > 0
    hits = (labels & predicted).sum()
    precision = hits / max(predicted.sum(), 1)
    recall = hits / max(labels.sum(), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-8)


@pytest.fixture(scope="module")
def labels():
    return generate(60, seed=3)[1]


@pytest.fixture
def spoilt(labels, rng):
    """Labels with some nets changed in a few pixels, one net without any, and one with a loop."""
    changed = labels ^ (rng.random(labels.shape) < np.repeat([0, 2e-4], 30)[:, None, None, None])
    changed[0] = 0
    return changed


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_figures_are_those_of_the_definition(labels, spoilt, selection):
    for metric, figure in zip(PIXEL, expected(labels, spoilt, **selection), strict=True):
        assert value(metric(**selection), (labels, spoilt)) == pytest.approx(figure, rel=1e-6)


@pytest.mark.parametrize("make", ALL)
def test_scores_and_decided_labels_give_the_same(make, labels, spoilt, rng):
    on = rng.normal(size=spoilt.shape)
    scores = np.stack([on - np.where(spoilt, 1, -1), on], axis=-1).reshape(*spoilt.shape[:3], 16)
    np.testing.assert_array_equal(decide(scores), spoilt)
    assert value(make(), (labels, scores)) == value(make(), (labels, spoilt))


@pytest.mark.parametrize("make", ALL)
def test_batches_add_up(make, labels, spoilt):
    parts = [(labels[i : i + 25], spoilt[i : i + 25]) for i in range(0, 60, 25)]
    metric = make()
    assert value(metric, *parts) == value(make(), (labels, spoilt))
    metric.reset_state()
    assert value(metric) == 0


@pytest.mark.parametrize("make", ALL)
def test_perfect_is_one(make, labels):  # check 44
    assert value(make(), (labels, labels)) == 1


@pytest.mark.parametrize("make", ALL)
def test_nothing_is_zero(make, labels):  # check 44
    assert value(make(), (labels, 0 * labels)) == 0


@pytest.mark.parametrize("make", PIXEL)
def test_a_layer_that_is_empty_everywhere_has_the_figure_zero(make):
    empty = np.zeros((2, 4, 4, 8), "uint8")
    assert value(make(layer="m3"), (empty, empty)) == 0


def test_copying_the_pins_earns_little(labels):  # check 45
    pins = labels.copy()
    pins[..., 1:] = 0
    share = pins.sum() / labels.sum()
    assert value(PixelF1(), (labels, pins)) == pytest.approx(2 * share / (1 + share), rel=1e-6)
    assert value(PixelF1(pins=False), (labels, pins)) == 0


def test_nets_are_counted_whole(labels, spoilt):
    exact = (labels == spoilt).all(axis=(1, 2, 3))
    joined = np.concatenate([labels[..., :1], spoilt[..., 1:]], axis=-1)
    joined = ops.convert_to_numpy(connected(joined))
    assert 0.5 < exact.mean() < 1
    assert value(ExactMatch(), (labels, spoilt)) == pytest.approx(exact.mean(), rel=1e-6)
    assert value(ConnectedRate(), (labels, spoilt)) == pytest.approx(joined.mean(), rel=1e-6)


def test_connected_means_the_pins_that_were_asked_for(labels):
    without = labels.copy()
    without[..., 0] = 0
    assert value(ConnectedRate(), (labels, without)) == 1
    assert value(ExactMatch(), (labels, without)) == 0


def test_counts_beyond_float32_are_exact():
    metric = PixelRecall()
    metric.actual.assign(2**25)
    labels = np.zeros((1, 1, 1, 8), "uint8")
    labels[..., 0] = 1
    metric.update_state(labels, labels)
    assert int(ops.convert_to_numpy(metric.actual.value)) == 2**25 + 1


@pytest.mark.backend
def test_a_compiled_fit_reports_what_numpy_counts(rng):
    pins, labels = generate(24, seed=5, height=8, width=9)
    model = keras.Sequential(
        [keras.Input((None, None, 1)), keras.layers.Conv2D(16, 3, padding="same")]
    )
    chosen = [PixelPrecision(layer="m4"), PixelRecall(pins=False), PixelF1()]
    metrics = [*chosen, ConnectedRate(), ExactMatch()]
    model.compile("sgd", ScoreCrossEntropy(), metrics=metrics)
    history = model.fit(
        pins, labels, batch_size=10, epochs=2, verbose=0, validation_data=(pins, labels)
    ).history

    predicted = decide(model.predict(pins, verbose=0))
    for metric in metrics:
        again = type(metric).from_config(metric.get_config())
        figure = value(again, (labels, predicted))
        assert history[f"val_{metric.name}"][-1] == pytest.approx(figure, rel=1e-6)
    assert len(history) == 2 * (1 + len(metrics))


@pytest.mark.parametrize("make", ALL)
def test_a_metric_is_saved_with_what_it_selects(make):
    metric = make(layer="m5", pins=False) if make in PIXEL else make()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert type(again) is make
    assert again.get_config() == metric.get_config()


def test_names_tell_what_is_counted():
    assert [PixelF1(**chosen).name for chosen in SELECTIONS[:3]] == [
        "pixel_f1",
        "pixel_f1_without_pins",
        "pixel_f1_m4",
    ]


def test_bad_arguments_are_refused(labels):
    with pytest.raises(ValueError, match="layer='m2'"):
        PixelF1(layer="m2")
    with pytest.raises(ValueError, match="layer='pin', pins=False"):
        PixelF1(layer="pin", pins=False)
    with pytest.raises(ValueError, match=r"y_pred of shape \(60, 32, 32, 4\)"):
        PixelF1().update_state(labels, labels[..., :4])
    with pytest.raises(ValueError, match="weighted_metrics"):
        ExactMatch().update_state(labels, labels, sample_weight=np.ones(60))
