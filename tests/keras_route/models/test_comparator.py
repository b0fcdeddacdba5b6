"""What the scores say, on arrays of every kind (checks 36, 38)."""

import numpy as np
import pytest
from keras import ops

from keras_route.models.comparator import decide, log_odds, scores_of

pytestmark = [pytest.mark.backend, pytest.mark.check]


@pytest.fixture(params=[np.asarray, ops.convert_to_tensor], ids=["numpy", "backend"])
def scores(request, rng):
    values = rng.normal(size=(3, 5, 4, 16)).astype("float32")
    values[0, ..., 1::2] = values[0, ..., ::2]
    return request.param(values)


def test_off_and_on_are_pairs_of_neighbouring_channels(scores):
    pairs = ops.convert_to_numpy(scores).reshape(3, 5, 4, 8, 2)
    np.testing.assert_array_equal(ops.convert_to_numpy(decide(scores)), pairs.argmax(-1))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(log_odds(scores)), pairs[..., 1] - pairs[..., 0]
    )


def test_equal_scores_are_off(scores):
    assert not ops.convert_to_numpy(decide(scores))[0].any()


def test_the_result_is_of_the_kind_of_the_scores(scores):
    assert type(decide(scores)) is type(scores)
    assert type(log_odds(scores)) is type(scores)


def test_scores_of_labels_decide_them(rng):
    labels = rng.integers(0, 2, (3, 5, 4, 8))

    np.testing.assert_array_equal(decide(scores_of(labels)), labels)
    np.testing.assert_array_equal(log_odds(scores_of(labels)), 2 * labels - 1)


@pytest.mark.parametrize("labels", [np.zeros((2, 4, 4, 16)), np.full((2, 8), 0.5), np.zeros(())])
def test_scores_are_made_of_labels(labels):
    with pytest.raises(ValueError, match="zeros and ones.*Received: labels of shape"):
        scores_of(labels)


@pytest.mark.parametrize("function", [decide, log_odds])
def test_labels_are_not_scores(function):
    with pytest.raises(ValueError, match=r"scores of shape \(1, 4, 4, 8\)"):
        function(np.zeros((1, 4, 4, 8)))
