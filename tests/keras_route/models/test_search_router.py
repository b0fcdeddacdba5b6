"""The network beside obstacles: sizes, obstacles as input, integers."""

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs

import keras_alt
from keras_route.models.search_router import SearchRouter

SMALL = {"reach": 15, "stem": 2, "features": (4, 6, 8), "blocks": (1, 1, 1)}


def small():
    return SearchRouter(**SMALL)


def stirred(model, rng):
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def images(rng, size=(8, 8), count=3):
    return (rng.random((count, *size, 5)) < 0.3).astype("float32")


@pytest.mark.check
@pytest.mark.parametrize("size", [(8, 8), (16, 24)])
def test_scores_have_the_size_of_the_window(size, rng):
    assert small()(images(rng, size)).shape == (3, *size, 16)


@pytest.mark.check
def test_every_pixel_sees_what_is_blocked_and_the_pins_of_its_row_and_column(rng):
    model = stirred(SearchRouter(**{**SMALL, "reach": 63}), rng)
    x = np.zeros((1, 32, 32, 5), "float32")
    for channel in range(5):
        changed = x.copy()
        changed[0, 0, 31, channel] = 1
        differs = np.asarray(model(changed) != model(x)).any(axis=-1)[0]
        assert differs[0, 31]
        if channel == 0:
            assert differs[0].all()
            assert differs[:, 31].all()


def test_a_saved_network_is_the_same(tmp_path, rng):
    model = stirred(small(), rng)
    model.save(tmp_path / "model.keras")

    assert_same_outputs(model, keras.models.load_model(tmp_path / "model.keras"), images(rng))


def test_all_of_it_is_quantized_and_the_integer_engine_gives_the_same_codes(rng):
    x = images(rng, count=16)

    quantized = keras_alt.quantize_model(stirred(small(), rng), calibration_data=x)

    assert {row.type for row in keras_alt.report(quantized).floats} <= {"Cast"}
    result = keras_alt.verify(quantized, x)
    assert result
    assert result.total == 16 * 8 * 8 * 16


@pytest.mark.check
def test_an_even_reach_is_refused():
    with pytest.raises(ValueError, match="Received: reach=4"):
        SearchRouter(reach=4)
