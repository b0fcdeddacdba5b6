"""A model moved to another target and back is the same model."""

import models
import numpy as np
import pytest
from conftest import assert_same_outputs, outputs, randomize, sample

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.quantizer import quantizers


@pytest.mark.parametrize(
    "make",
    [models.residual, models.inverted_residual, models.inception, models.leaky],
    ids=lambda m: m.__name__,
)
def test_there_and_back(make, rng):
    model = randomize(make(), rng)
    x = sample(model, rng)
    paper = keras_alt.quantize_model(model, calibration_data=x)

    litert = keras_alt.retarget(paper, "litert")

    formats = {name: q.format.bits for name, q in quantizers(litert).items()}
    shared = {n for n, q in quantizers(paper).items() if formats.get(n) == q.format.bits}
    assert {n for n in quantizers(paper) if n.endswith("/kernel") and "pool" not in n} <= shared
    for name in shared:
        assert quantizers(paper)[name].threshold == quantizers(litert)[name].threshold
    assert not any(name.endswith("/accumulator") for name in quantizers(litert))
    for a, b in zip(outputs(paper, x), outputs(litert, x), strict=True):
        assert np.abs(a - b).max() < 0.2 * np.abs(a).max()
    assert_same_outputs(keras_alt.retarget(litert, "paper", calibration_data=x), paper, x)


def test_widths_are_kept(rng):
    model = models.residual()
    config = QuantizeConfig(weights=4, skip=("conv2d_2",), overrides={"conv2d_1": {"weights": 3}})
    q = keras_alt.retarget(keras_alt.quantize_model(model, config), "hls")
    formats = {name: str(x.format) for name, x in quantizers(q).items()}
    assert formats["conv2d/kernel"] == "int8"
    assert formats["conv2d_1/kernel"] == "int3"
    assert "conv2d_2/kernel" not in formats


def test_what_cannot_be_moved():
    with pytest.raises(ValueError, match="Received: target='gpu'"):
        keras_alt.retarget(keras_alt.quantize_model(models.residual()), "gpu")
    trained = keras_alt.quantize_model(models.residual(), QuantizeConfig(batch_norm="train"))
    with pytest.raises(NotImplementedError, match="batch_norm='fold'"):
        keras_alt.retarget(trained, "litert")
