"""The published network, to the last constant (checks 35-39, 43)."""

import keras
import numpy as np
import pytest
from conftest import gradients, outputs, randomize
from keras import layers, ops
from numpy.lib.stride_tricks import sliding_window_view

from keras_route.data.random_nets import generate
from keras_route.losses import ScoreCrossEntropy
from keras_route.metrics import PixelF1
from keras_route.models import FCNRouter


def of_kind(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def random_state(rng):
    """Return a state dict of the authors' nn.Sequential as arrays, with statistics that matter."""
    state = {}
    for stage in range(15):
        i, shape = 3 * stage, (16, 16, 3, 3) if stage else (16, 1, 33, 33)
        limit = np.prod(shape[1:]) ** -0.5
        state[f"{i}.weight"] = rng.uniform(-3 * limit, 3 * limit, shape)
        state[f"{i}.bias"] = rng.uniform(-0.5, 0.5, 16)
        if stage < 14:
            state[f"{i + 1}.weight"] = rng.uniform(0.5, 1.5, 16)
            state[f"{i + 1}.bias"] = rng.uniform(-0.5, 0.5, 16)
            state[f"{i + 1}.running_mean"] = rng.normal(0, 0.3, 16)
            state[f"{i + 1}.running_var"] = rng.uniform(0.5, 2, 16)
            state[f"{i + 1}.num_batches_tracked"] = np.array(7)
    return {name: np.asarray(value, "float32") for name, value in state.items()}


def by_definition(state, image):
    """Run the authors' network on an image (height, width) in float64; return (h, w, 16)."""
    x = image[None].astype("float64")
    for stage in range(15):
        i = 3 * stage
        kernel = state[f"{i}.weight"].astype("float64")
        reach = kernel.shape[-1] // 2
        padded = np.pad(x, [(0, 0), (reach, reach), (reach, reach)])
        windows = sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
        x = np.einsum("chwyx,ocyx->ohw", windows, kernel)
        x += state[f"{i}.bias"][:, None, None]
        if stage < 14:
            scale, shift, mean, variance = (
                state[f"{i + 1}.{name}"].astype("float64")[:, None, None]
                for name in ("weight", "bias", "running_mean", "running_var")
            )
            x = (x - mean) / np.sqrt(variance + 1e-5) * scale + shift
            x = np.where(x > 0, x, 0.01 * x)
    return x.transpose(1, 2, 0)


def test_layers_and_constants_are_the_published_ones():  # check 35
    model = FCNRouter()
    assert model.count_params() == 50816
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 50368
    assert [c.kernel_size[0] for c in of_kind(model, layers.Conv2D)] == [33, *[3] * 14]
    assert len(of_kind(model, layers.BatchNormalization)) == 14
    for norm in of_kind(model, layers.BatchNormalization):
        assert (norm.epsilon, norm.momentum) == (1e-5, 0.9)
    assert [relu.negative_slope for relu in of_kind(model, layers.LeakyReLU)] == [0.01] * 14


def test_initial_weights_fill_the_range_of_pytorch():
    first, second = of_kind(FCNRouter(), layers.Conv2D)[:2]
    for layer, limit in ((first, 1 / 33), (second, 1 / 12)):
        for weight in map(ops.convert_to_numpy, layer.weights):
            assert 0.7 * limit < np.abs(weight).max() <= limit
            assert weight.min() < 0 < weight.max()
    assert not np.array_equal(first.bias, second.bias)


def test_images_of_any_size_give_scores():  # check 36
    scores = FCNRouter()(np.zeros((2, 17, 40, 1), "uint8"))
    assert tuple(scores.shape) == (2, 17, 40, 16)


def test_a_pixel_sees_thirty_pixels_in_each_direction():  # check 37
    model = FCNRouter()
    for weight in model.trainable_weights:
        weight.assign(ops.full(weight.shape, 1 / 144))
    image = np.zeros((1, 64, 64, 1), "float32")
    (gradient,) = gradients(lambda x: model(x, training=False)[0, 0, 0] * 1e20, [image])
    seen = gradient[0, ..., 0] != 0
    assert seen[:31, :31].all()
    assert not seen[31:].any()
    assert not seen[:, 31:].any()


@pytest.mark.backend
def test_weights_of_the_authors_give_their_scores(rng):  # check 39
    state = random_state(rng)
    model = FCNRouter()
    model.load_torch(state)
    images = (rng.random((2, 6, 9)) < 0.1).astype("float32")
    scores = outputs(model, images[..., None])[0]
    for image, actual in zip(images, scores, strict=True):
        expected = by_definition(state, image)
        assert np.abs(expected).max() > 0.5
        np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0)


def test_a_torch_network_gives_the_same_scores(rng):  # check 39
    torch = pytest.importorskip("torch", reason="the published framework is not installed")
    stages, channels, size = [], 1, 33
    for _ in range(14):
        stages += [
            torch.nn.Conv2d(channels, 16, size, padding=size // 2),
            torch.nn.BatchNorm2d(16),
            torch.nn.LeakyReLU(inplace=True),
        ]
        channels, size = 16, 3
    reference = torch.nn.Sequential(*stages, torch.nn.Conv2d(16, 16, 3, padding=1))
    state = {name: torch.tensor(value) for name, value in random_state(rng).items()}
    reference.load_state_dict(state)
    model = FCNRouter()
    model.load_torch(reference.state_dict())
    pins, _ = generate(8, seed=2)
    with torch.no_grad():
        images = torch.tensor(pins.transpose(0, 3, 1, 2), dtype=torch.float32)
        expected = reference.eval()(images).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(outputs(model, pins)[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("4.running_var"), r"without \['4.running_var'\]"),
        (lambda state: state.update({"43.weight": np.ones(16)}), r"with \['43.weight'\]"),
        (lambda state: state.update({"42.weight": np.ones((8, 16, 3, 3))}), r"'42.weight' of sh"),
    ],
)
def test_a_foreign_state_dict_is_refused_whole(change, message, rng):
    state = random_state(rng)
    change(state)
    model = FCNRouter()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.load_torch(state)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def one_step(optimizer, weight_decay):
    """Train one step from fixed weights; return weights before and after, by path."""
    keras.utils.set_random_seed(3)
    model = FCNRouter(weight_decay=weight_decay)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1)  # a decay of zeros would show nothing
    before = {w.path: ops.convert_to_numpy(w.value) for w in model.trainable_weights}
    model.compile(optimizer, ScoreCrossEntropy(), run_eagerly=True)
    pins, labels = generate(4, seed=1, height=8, width=8)
    model.train_on_batch(pins, labels)
    return before, {w.path: ops.convert_to_numpy(w.value) for w in model.trainable_weights}


def test_weight_decay_is_part_of_the_gradient_of_every_weight():  # check 43
    decay = 0.7
    before, plain = one_step(keras.optimizers.SGD(1.0), 0.0)
    _, decayed = one_step(keras.optimizers.SGD(1.0), decay)
    gradient = {path: before[path] - decayed[path] for path in before}
    for path, start in before.items():
        np.testing.assert_allclose(
            gradient[path], before[path] - plain[path] + decay * start, atol=2e-5
        )

    _, adam = one_step(keras.optimizers.Adam(0.01, epsilon=1.0), decay)
    for path, start in before.items():
        g = gradient[path]
        rate = 0.01 * (1 - 0.999) ** 0.5 / (1 - 0.9)  # Keras' form: epsilon is not corrected
        step = rate * 0.1 * g / ((0.001 * g * g) ** 0.5 + 1.0)
        np.testing.assert_allclose(start - adam[path], step, atol=1e-7, rtol=1e-4)


def test_a_saved_network_is_the_same_network(rng, tmp_path):
    model = randomize(FCNRouter(height=12, width=10, weight_decay=2e-5), rng)
    metrics = [PixelF1(pins=False)]
    model.compile(
        keras.optimizers.Adam(5e-4), ScoreCrossEntropy(), metrics=metrics, run_eagerly=True
    )
    pins, labels = generate(4, seed=1, height=12, width=10)
    model.train_on_batch(pins, labels)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again) is FCNRouter
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(outputs(again, pins)[0], outputs(model, pins)[0])
    np.testing.assert_array_equal(
        again.train_on_batch(pins, labels), model.train_on_batch(pins, labels)
    )
