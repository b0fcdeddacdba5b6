"""Narrowing is retargeting with a training at each width."""

import models
import numpy as np
import pytest
from conftest import randomize

import keras_alt
from keras_alt.record import record_of


@pytest.fixture
def model(rng):
    x = rng.normal(size=(8, 8, 8, 3)).astype("float32")
    return keras_alt.quantize_model(randomize(models.residual(), rng), calibration_data=x)


def thresholds(model):
    return {name: q.threshold for name, q in keras_alt.quantizers(model).items()}


def test_each_width_starts_from_what_the_last_one_trained(model):
    seen = []

    def fit(student, width):
        seen.append((width, student.get_layer("conv2d_1").kernel_bits, thresholds(student)))
        for quantizer in keras_alt.quantizers(student).values():
            quantizer.set_threshold(1.5 * quantizer.threshold)

    before = thresholds(model)
    student = keras_alt.narrow(model, fit, bits=(6, 4))
    assert [(width, bits) for width, bits, _ in seen] == [(6, 6), (4, 4)]
    for (_, _, found), factor in zip(seen, (1.0, 1.5), strict=True):
        assert found == pytest.approx({n: factor * t for n, t in before.items()}, rel=1e-5)
    assert thresholds(student) == pytest.approx({n: 2.25 * t for n, t in before.items()}, rel=1e-5)
    assert thresholds(model) == before
    assert record_of(student).config.weights == 4


def test_weights_can_be_rounded_anew_at_each_width(model, rng):
    x = rng.normal(size=(32, 8, 8, 3)).astype("float32")

    def fit(student, width):
        kept = keras_alt.quantizers(student).values()
        keras_alt.calibrate(student, x, keep=kept, adaptive_rounding=True, verbose=False)

    student = keras_alt.narrow(model, fit, bits=[4])
    assert thresholds(student) == thresholds(model)
    kernel = np.array(student.get_layer("conv2d_1").kernel)
    codes = kernel * 2.0 ** -student.get_layer("conv2d_1").kernel_quantizer.exponent
    np.testing.assert_array_equal(codes, np.rint(codes))


@pytest.mark.parametrize("bits", [(), (4, 4), (4, 6)])
def test_widths_fall(model, bits):
    with pytest.raises(ValueError, match="fall"):
        keras_alt.narrow(model, lambda student, width: None, bits)
