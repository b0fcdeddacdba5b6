"""The published loss, to the last constant (checks 40-42)."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_route.losses import ScoreCrossEntropy

pytestmark = pytest.mark.backend


@pytest.fixture
def batch(rng):
    labels = (rng.random((4, 5, 3, 8)) < 0.3).astype("uint8")
    return labels, rng.normal(0, 3, (4, 5, 3, 16)).astype("float32")


def value(loss, *arguments, **named):
    return ops.convert_to_numpy(loss(*arguments, **named))


def by_pytorch(labels, scores, weights=(1, 3)):
    """Compute CrossEntropyLoss(weight) in float64, from its definition."""
    pairs = scores.reshape(-1, 2).astype("float64")
    picked = labels.ravel().astype(int)
    nll = np.logaddexp.reduce(pairs, axis=1) - pairs[np.arange(len(pairs)), picked]
    weight = np.asarray(weights)[picked]
    return (weight * nll).sum() / weight.sum()


def test_equal_scores_cost_ln_2(batch):  # check 40
    labels, scores = batch
    rounding = labels.size * 2.0**-24  # of a float32 sum, term by term, as unoptimized XLA adds
    loss = value(ScoreCrossEntropy(), labels, 0 * scores)
    assert loss == pytest.approx(np.log(2), rel=rounding)


def test_the_mean_is_over_the_weights():  # check 41
    scores = np.tile([2, -1, 0.5, 0.5, -1, 1, 1, 0], 2).reshape(1, 1, 1, 16)
    labels = np.tile([0, 0, 1, 1], 2).reshape(1, 1, 1, 8)
    assert value(ScoreCrossEntropy(), labels, scores) == pytest.approx(0.632788, abs=1e-6)


@pytest.mark.parametrize("on_weight", [3.0, 1.0, 0.5])
def test_it_is_the_weighted_cross_entropy_of_pytorch(batch, on_weight):  # check 42
    expected = by_pytorch(*batch, (1, on_weight))
    assert value(ScoreCrossEntropy(on_weight), *batch) == pytest.approx(expected, rel=1e-5)


def test_large_scores_cost_their_distance(batch):
    labels, scores = batch
    expected = by_pytorch(labels, 1e4 * scores)
    assert value(ScoreCrossEntropy(), labels, 1e4 * scores) == pytest.approx(expected, rel=1e-5)


def test_sample_weights_choose_nets(batch):
    labels, scores = batch
    expected = by_pytorch(labels[2], scores[2])
    chosen = value(ScoreCrossEntropy(), labels, scores, sample_weight=np.array([0, 0, 2, 0]))
    assert chosen == pytest.approx(expected, rel=1e-5)
    masks = np.zeros(labels.shape)
    masks[2] = 1
    assert value(ScoreCrossEntropy(), labels, scores, masks) == pytest.approx(expected, rel=1e-5)


def test_it_is_saved_with_its_weight():
    loss = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(ScoreCrossEntropy(2.0))
    )
    assert type(loss) is ScoreCrossEntropy
    assert loss.on_weight == 2.0


def test_bad_arguments_are_refused(batch):
    labels, scores = batch
    with pytest.raises(ValueError, match="on_weight=0"):
        ScoreCrossEntropy(0)
    with pytest.raises(ValueError, match=r"scores of shape \(4, 5, 3, 8\)"):
        ScoreCrossEntropy()(labels, labels)
    with pytest.raises(ValueError, match=r"labels of shape \(4, 5, 3, 1\)"):
        ScoreCrossEntropy()(labels[..., :1], scores)
