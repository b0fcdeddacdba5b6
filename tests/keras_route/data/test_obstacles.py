import numpy as np
import pytest

from keras_route.data.obstacles import random_obstacles

pytestmark = pytest.mark.check


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("size", [(32, 32), (17, 40)])
def test_about_the_given_share_is_blocked(size, share, rng):
    shares = [random_obstacles(*size, share, rng).mean() for _ in range(100)]

    assert max(shares, default=0) <= share + 0.05
    assert abs(np.mean(shares) - share) < 0.01


def test_obstacles_of_a_seed_are_the_same():
    one, other = (random_obstacles(32, 32, 0.3, np.random.default_rng(5)) for _ in range(2))

    np.testing.assert_array_equal(one, other)
