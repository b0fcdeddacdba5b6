"""Models of tf_keras are read from their files as Keras 3 models."""

import keras
import numpy as np
import pytest

from keras_alt.cli.models import read_float

pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "saved"])
def test_a_model_of_tf_keras_keeps_its_function(name, tmp_path, rng):
    tf_keras = pytest.importorskip("tf_keras")
    layers = [tf_keras.layers.Dense(4, "relu", input_shape=(6,)), tf_keras.layers.Dense(2)]
    model = tf_keras.Sequential(layers)
    x = rng.normal(size=(5, 6)).astype("float32")
    options = {"save_format": "tf"} if name == "saved" else {}
    model.save(tmp_path / name, **options)

    found = read_float(tmp_path / name)

    assert isinstance(found.model, keras.Model)
    np.testing.assert_allclose(found.model(x), model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_a_model_of_keras_keeps_its_function(name, tmp_path, rng):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    model.save(tmp_path / name)
    x = rng.normal(size=(5, 6)).astype("float32")

    np.testing.assert_array_equal(read_float(tmp_path / name).model(x), model(x))


class Own(keras.layers.Layer):
    def call(self, x):
        return x + 1


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (Own(), "class of your own, 'Own'"),
        (keras.layers.Lambda(lambda x: x), "safe_mode=False"),
    ],
)
def test_code_of_the_user_is_told_in_a_few_words(layer, told, tmp_path):
    keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(2)]).save(tmp_path / "own.keras")

    with pytest.raises(ValueError, match=told) as caught:
        read_float(tmp_path / "own.keras")

    assert len(str(caught.value)) < 400
