"""The small version of the accuracy results."""

import argparse

import numpy as np
import pytest
import results
from conftest import randomize


def test_what_ruins_one_scale_per_tensor_changes_nothing_in_float(rng):
    model = randomize(results.network(), rng)
    x = rng.uniform(size=(16, 8, 8, 1)).astype("float32")
    before = model.predict(x, verbose=0)
    gamma = np.array(model.get_layer("norm_0").gamma)
    results.spread(model, rng)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    factors = np.array(model.get_layer("norm_0").gamma) / gamma
    assert factors.max() / factors.min() >= 2**4


@pytest.mark.full
def test_every_variant_is_judged_on_the_same_images(capsys):
    hits = results.run(0, argparse.Namespace(epochs=2, more=1, target="litert"))
    assert {len(right) for right in hits.values()} == {597}
    results.table({name: right.astype(float) for name, right in hits.items()})
    assert "ALT INT4 weights" in capsys.readouterr().out
