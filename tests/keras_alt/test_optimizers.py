"""Thresholds find their octaves and stand still without a gradient (checks 25-30, 56-58)."""

import keras
import numpy as np
import pytest

import keras_alt
from keras_alt import FixedPoint
from keras_alt.optimizers import ThresholdAdam, alt, threshold_guideline

pytestmark = pytest.mark.backend
LN2 = np.log(2.0)


def closed_form(x, log2_threshold, bits):
    """Return fake-quantized `x` and dq/dlog2_threshold of each element, in float64."""
    format = FixedPoint(bits)
    scale = 2.0 ** format.scale_exponent(log2_threshold)
    z = x / scale
    r = np.rint(z)
    c = np.clip(r, format.qmin, format.qmax)
    return c * scale, scale * LN2 * (c - np.where(r == c, z, 0))


def l2_gradient(x, log2_threshold, bits):
    q, slope = closed_form(x, log2_threshold, bits)
    return np.sum((q - x) * slope)


def adam(bits, sigma, rate, beta_2, steps, start=0.0, scale=1.0, seed=0, count=1000):
    """Return the trajectory of log2_threshold on the L2 loss of fresh normal samples."""
    rng, t, m, v, path = np.random.default_rng(seed), start, 0.0, 0.0, []
    for i in range(1, steps + 1):
        g = l2_gradient(scale * rng.normal(0, sigma, count), t, bits)
        m, v = 0.9 * m + 0.1 * g, beta_2 * v + (1 - beta_2) * g * g
        t -= rate * m / (1 - 0.9**i) / (np.sqrt(v / (1 - beta_2**i)) + 1e-300)
        path.append(t)
    return np.array(path)


@pytest.mark.parametrize(
    ("sigma", "rate", "end"), [(1.2, 0.01, 2), (10, 0.1, 5.01), (100, 0.1, 8.03)]
)
def test_adam_finds_the_boundary(sigma, rate, end):  # check 25
    path = adam(8, sigma, rate, 0.999, 2500)
    assert abs(path[-200:].mean() - end) < 0.15


def test_time_is_shared_between_two_octaves():  # check 26
    path = adam(4, 1.0, 0.035, 0.99, 6000)[2000:]
    assert abs(path.mean() - 1.0) < 0.06
    assert abs((path <= 1.0).mean() - 0.35) < 0.06


def test_scaling_the_data_shifts_the_trajectory():  # check 27
    small = adam(8, 1.2, 0.01, 0.999, 1500, count=200)
    large = adam(8, 1.2, 0.01, 0.999, 1500, start=2.0, scale=4.0, count=200)
    assert np.abs(large - small - 2.0).max() < 1e-8


def test_the_gradient_trades_range_against_precision():  # check 28
    x = np.append(np.random.default_rng(0).normal(size=1000), 3.752)
    t, clipped, path = 0.0, 0.0, []
    for _ in range(2000):
        q, slope = closed_form(x, t, 3)
        t -= 1e-3 * np.sum((q - x) * slope)
        path.append(t)
        q, slope = closed_form(x, clipped, 3)
        outside = np.abs(q) >= 2.0 ** np.ceil(clipped) * 3 / 4
        clipped -= 1e-3 * np.sum((q - x) * np.where(outside & (np.abs(x) > np.abs(q)), slope, 0))
    assert abs(np.mean(path[-500:]) - 1.0) < 0.1
    assert np.mean((closed_form(x, 1.0, 3)[0] - x) ** 2) < 0.06
    assert clipped > 2.0
    assert np.mean((closed_form(x, clipped, 3)[0] - x) ** 2) > 0.3


def test_plain_gradient_descent_fails():  # check 29
    x = np.random.default_rng(0).normal(0, 10, 1000)
    assert -0.1 * l2_gradient(x, 0.0, 4) > 400


@pytest.mark.parametrize(
    ("bits", "rate", "beta_2", "steps"), [(4, 0.035, 0.99, 200), (8, 0.009, 0.999, 1500)]
)
def test_steps_to_converge(bits, rate, beta_2, steps):  # check 30
    path = adam(bits, 1.2, rate, beta_2, 2 * steps, start=1.2 if bits == 8 else 0.0)
    assert abs(path[steps] - path[-steps // 2 :].mean()) < 0.1


@pytest.mark.parametrize(
    ("bits", "rate", "beta_2", "steps"),
    [
        (2, 0.1, 0.9, 20),
        (3, 0.0577, 0.96667, 47),
        (4, 0.0378, 0.98571, 96),
        (5, 0.0258, 0.99333, 189),
        (6, 0.0180, 0.99677, 366),
        (8, 0.0089, 0.99921, 1383),
        (16, 0.0006, 0.999997, 329_000),
    ],
)
def test_guideline_of_the_paper(bits, rate, beta_2, steps):
    found = threshold_guideline(bits)
    assert found.learning_rate == pytest.approx(rate, abs=5e-5)
    assert found.beta_1 == 1 / np.e
    assert found.beta_2 == pytest.approx(beta_2, abs=5e-6)
    assert found.steps == pytest.approx(steps, rel=2e-3 if bits == 16 else 0)


def test_guideline_needs_a_width():
    with pytest.raises(ValueError, match="Received: bits=1"):
        threshold_guideline(1)


def test_schedules_of_the_paper():  # check 56
    optimizer = alt()
    thresholds = optimizer.threshold_optimizer._learning_rate
    weights = next(o for o in optimizer.optimizers if o.name == "weights")._learning_rate
    at = lambda schedule, step: float(keras.ops.convert_to_numpy(schedule(step)))  # noqa: E731
    for step, rate in (
        (0, 1e-2),
        (1000, 5e-3),
        (3000, 1.25e-3),
        (5000, 3.125e-4),
        (10000, 9.766e-6),
    ):
        assert at(thresholds, step) == pytest.approx(rate, rel=1e-3)
    assert at(weights, 3000) == pytest.approx(9.4e-7)
    assert at(alt(batch_size=48).threshold_optimizer._learning_rate, 500) == pytest.approx(5e-3)


def test_schedules_of_a_run():
    optimizer = alt(1e-3, 1e-2, steps=700)
    thresholds = optimizer.threshold_optimizer._learning_rate
    rates = {float(keras.ops.convert_to_numpy(thresholds(step))) for step in range(700)}
    assert len(rates) == 7
    assert min(rates) == pytest.approx(1e-2 / 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"weights": -1}, "weights=-1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        alt(**arguments)


def variables(values):
    return [
        keras.Variable(np.float32(value), name=f"{i}_log2_threshold")
        for i, value in enumerate(values)
    ]


def test_it_is_adam_where_gradients_are_not_zero(rng):
    ours, theirs = variables([0.5, -1.0, 3.0]), variables([0.5, -1.0, 3.0])
    a, b = ThresholdAdam(1e-2), keras.optimizers.Adam(1e-2, epsilon=1e-8)
    for _ in range(20):
        gradients = [keras.ops.convert_to_tensor(g) for g in rng.normal(size=3).astype("float32")]
        a.apply(gradients, ours)
        b.apply(gradients, theirs)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5)


def test_a_zero_gradient_does_not_move_a_threshold_with_momentum():  # check 23
    moving, still = variables([0.0, 0.0])
    optimizer = ThresholdAdam(1e-2)
    one, zero = (keras.ops.convert_to_tensor(np.float32(v)) for v in (1, 0))
    for _ in range(5):
        optimizer.apply([one, one], [moving, still])
    before = still.numpy()
    state = [v.numpy()[1] for v in (optimizer.momentum, optimizer.velocity)]
    for _ in range(5):
        optimizer.apply([one, zero], [moving, still])
    assert still.numpy() == before
    assert [v.numpy()[1] for v in (optimizer.momentum, optimizer.velocity)] == state
    assert moving.numpy() < before


def test_averages_decay_as_in_the_reference():  # check 58
    (variable,) = variables([0.0])
    optimizer = ThresholdAdam(1e-2)
    zero = keras.ops.zeros(())
    decays = {}
    for i in range(100):
        optimizer.build([variable])
        optimizer.averages.assign([1.0])
        optimizer.apply([zero], [variable])
        decays[i] = float(optimizer.averages.numpy()[0])
    for i, decay in ((0, 0.1), (9, 0.5263), (99, 0.9174)):
        assert decays[i] == pytest.approx(decay, abs=1e-4)
    assert min(0.9999, (1 + 999) / (10 + 999)) == pytest.approx(0.9911, abs=1e-4)


def test_decay_and_penalties_do_not_touch_thresholds():  # check 57
    inputs = keras.Input((4,))
    y = keras.layers.Dense(3, kernel_regularizer="l2", name="a")(inputs)
    q = keras_alt.quantize_model(
        keras.Model(inputs, y), calibration_data=np.ones((4, 4), "float32")
    )
    assert all(v.regularizer is None for v in q.trainable_variables if "threshold" in v.path)
    assert q.get_layer("a").kernel_regularizer is not None
    assert alt().threshold_optimizer.weight_decay is None


def test_a_rate_of_zero_keeps_thresholds(rng):
    inputs = keras.Input((4,))
    q = keras_alt.quantize_model(keras.Model(inputs, keras.layers.Dense(3)(inputs)))
    x = rng.normal(size=(16, 4)).astype("float32")
    before = keras_alt.calibrate(q, x, verbose=False)
    q.compile(alt(1e-2, thresholds=0), keras.losses.MeanSquaredError())
    kernel = q.get_layer("dense").get_weights()[0]
    q.fit(x, np.zeros((16, 3)), verbose=0)
    after = {n: t.threshold for n, t in keras_alt.quantizer.quantizers(q).items()}
    assert before == after
    assert (q.get_layer("dense").get_weights()[0] != kernel).any()
