"""The better network: one function however it is computed, the whole window in view, integers."""

import keras
import numpy as np
import pytest
from conftest import EAGER, assert_same_outputs, gradients

import keras_alt
from keras_route.data.random_nets import generate
from keras_route.losses import ScoreCrossEntropy
from keras_route.metrics import ExactMatch, PixelF1
from keras_route.models import Router
from keras_route.models.router import _along

SMALL = {"reach": 23, "stem": 4, "lines": 8, "features": 8, "line_blocks": 2, "pixel_blocks": 1}


def small(**sizes):
    return Router(**{**SMALL, **sizes})


def stirred(model, rng):
    """Give every variable a random value, so that no branch is zero."""
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


@pytest.mark.backend
@pytest.mark.parametrize("size", [(12, 12), (12, 7), (40, 31)])
def test_a_convolution_along_an_axis_is_its_matrix_product(size, rng):
    model = stirred(small(), rng)
    pins = rng.integers(0, 2, (3, *size, 1)).astype("float32")
    for layer in (model.columns, model.rows):
        product, convolution = map(keras.ops.convert_to_numpy, (_along(layer, pins), layer(pins)))
        np.testing.assert_allclose(product, convolution, atol=1e-5)


def test_both_forms_have_the_same_kernel_gradient(rng):
    model = stirred(small(), rng)
    pins = rng.integers(0, 2, (3, 12, 9, 1)).astype("float32")
    for layer in (model.columns, model.rows):

        def of_the_kernel(form, layer=layer):
            def weighted(kernel):
                kept, layer._kernel = layer._kernel, kernel
                y = form(pins)
                layer._kernel = kept
                return y * y

            return gradients(weighted, [np.asarray(layer.kernel)])[0]

        np.testing.assert_allclose(
            of_the_kernel(lambda x, layer=layer: _along(layer, x)),
            of_the_kernel(layer),
            rtol=1e-4,
            atol=1e-4,
        )


def test_any_size_runs_and_every_pixel_sees_every_other(rng):
    model = small()
    for variable in model.trainable_variables:  # then one more pin raises every score
        variable.assign(rng.uniform(0.05, 0.1, variable.shape))
    pins = np.zeros((2, 12, 11, 1), "uint8")
    pins[:, 6, 5] = 1
    pins[1, 11, 10] = 1
    scores = keras.ops.convert_to_numpy(model(pins))
    assert scores.shape == (2, 12, 11, 16)
    assert (np.abs(scores[1] - scores[0]).max(-1) > 0).all()


def test_the_symbolic_model_computes_the_same(rng):
    model = stirred(small(), rng)
    pins = rng.integers(0, 2, (3, 12, 12, 1)).astype("float32")
    inputs = keras.Input((12, 12, 1))
    functional = keras.Model(inputs, model.call(inputs))
    np.testing.assert_allclose(functional(pins), model(pins), atol=1e-4)


@pytest.mark.backend
def test_it_trains_and_comes_back_from_a_file(tmp_path):
    model = small()
    x, y = generate(64, height=12, width=12)
    model.compile(
        keras.optimizers.Adam(1e-2),
        ScoreCrossEntropy(),
        metrics=[PixelF1(pins=False), ExactMatch()],
        run_eagerly=EAGER,
    )
    history = model.fit(x, y, epochs=5, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 2
    model.save(tmp_path / "router.keras")
    again = keras.models.load_model(tmp_path / "router.keras")
    assert again.get_config() == model.get_config()
    assert_same_outputs(model, again, x)


def test_it_quantizes_down_to_integers(rng):
    model = stirred(small(), rng)
    x = generate(16, height=12, width=12)[0].astype("float32")
    quantized = keras_alt.quantize_model(model, calibration_data=x)
    assert {row.type for row in keras_alt.report(quantized).floats} <= {"Cast"}
    result = keras_alt.verify(quantized, x)
    assert result and result.total == 16 * 12 * 12 * 16


def test_an_even_reach_has_no_middle():
    with pytest.raises(ValueError, match="odd length.*reach=4"):
        Router(reach=4)
