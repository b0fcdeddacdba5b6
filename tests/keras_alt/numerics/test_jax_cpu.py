"""The operators of JAX's quantizer give the bits of the closed form."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import one_pass_values
import pytest
from conftest import pairs
from one_pass_values import FORMATS, SHAPES, THRESHOLDS, assert_close

from keras_alt.formats import FixedPoint
from keras_alt.numerics import closed_form, one_pass
from keras_alt.numerics.rounding import ROUNDINGS, STEPPED

pytestmark = [
    pytest.mark.backend,
    pytest.mark.filterwarnings("ignore:overflow|One of rtol"),
]

if keras.backend.backend() != "jax":
    pytest.skip("about JAX", allow_module_level=True)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from keras_alt.layers import QuantDense  # noqa: E402
from keras_alt.numerics import jax as numerics  # noqa: E402
from keras_alt.numerics import jax_cpu  # noqa: E402
from keras_alt.quantizer import Quantizer  # noqa: E402

if not jax_cpu.computes():
    pytest.skip("no compiler is installed, or there are several devices", allow_module_level=True)

RULES = FixedPoint(8), "half_even", None


def values(rng, log2_threshold):
    return jnp.array(one_pass_values.values(rng, log2_threshold))


def normal(rng, *shape, scale=2):
    return jnp.array(rng.normal(0, scale, shape), "float32")


def bits(tensor):
    """Return the bits of floats, those of both zeros alike, too."""
    found = one_pass_values.bits(np.array(tensor, "float32"))
    found[found == np.iinfo("int32").min] = 0
    return found


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(bits(found), bits(expected))


def both(x, log2_thresholds, rules, upstream, exponent=None, bias=None):
    """Return the values, and the gradients of `x`, of a bias and of the thresholds."""

    def quantized(x, log2_thresholds, *bias):
        return jax_cpu.quantized(x, log2_thresholds, rules, exponent, *bias)

    given = (x, tuple(log2_thresholds), *([] if bias is None else [bias]))
    y, gradient = jax.vjp(quantized, *given)
    dx, of_thresholds, *dbias = gradient(upstream)
    return y, dx, (dbias[0] if dbias else None), of_thresholds


@pytest.mark.parametrize(("rounding", "relu_max"), pairs(sorted(ROUNDINGS), [None, np.inf, 6.0]))
def test_every_bit_is_that_of_the_closed_form(rng, rounding, relu_max):
    for format in FORMATS:
        for log2_threshold in THRESHOLDS:
            x, t = values(rng, log2_threshold), jnp.float32(log2_threshold)
            upstream = normal(rng, *x.shape, scale=1)
            scale = closed_form.power_of_two(t, format)
            exponent = jnp.ceil(t) - format.bits - 4 if rounding in STEPPED else None
            rules = format, rounding, relu_max

            y, dx, _, (dt,) = both(x, (t,), (rules,), upstream, exponent)

            assert_same_bits(y, closed_form.forward(x, t, *rules, exponent))
            given = x, t, upstream, *rules, exponent
            expected_dx, shares = closed_form.backward_terms(*given)
            assert_same_bits(dx, expected_dx)
            expected_dt = closed_form.threshold_gradient(shares, t, format)
            assert_close(dt, expected_dt, shares * scale)


@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize(("channels", "relu_max"), pairs([1, 3, 16, 1500], [None, np.inf, 6.0]))
def test_a_sum_is_its_single_steps(rng, channels, relu_max, accumulates):
    rules = ((FixedPoint(8), "half_even", relu_max), (FixedPoint(6), "half_even", None))
    thresholds = jnp.float32(1.7), jnp.float32(0.7)
    rules, thresholds = (of[: 1 + accumulates] for of in (rules, thresholds))
    x, upstream = (normal(rng, 7, 10, channels) for _ in "xu")
    bias = normal(rng, channels)

    y, dx, dbias, dts = jax.jit(lambda: both(x, thresholds, rules, upstream, bias=bias))()

    assert_same_bits(y, closed_form.sum_forward(x, bias, thresholds, rules))
    given = x, bias, thresholds, upstream, rules
    expected_dx, dsum, shares = closed_form.sum_backward_terms(*given)
    assert_same_bits(dx, expected_dx)
    np.testing.assert_allclose(dbias, np.sum(dsum, (0, 1)), rtol=1e-5, atol=1e-4)
    for dt, share, t, (format, *_) in zip(dts, shares, thresholds, rules, strict=True):
        assert_close(dt, closed_form.threshold_gradient(share, t, format), share)


def test_a_sum_of_other_shapes_is_its_single_steps(rng):
    """One in which the operators find no channels, or another rounding of the accumulator."""
    rules = (FixedPoint(8), "half_even", 6.0), (FixedPoint(6), "floor", None)
    x, bias = normal(rng, 8, 5), normal(rng, 5)
    thresholds = jnp.float32(1.7), jnp.float32(0.7)
    for count, added in ((2, bias), (1, bias[:1])):
        given = thresholds[:count], rules[:count]
        y = numerics.fake_quant_sum(x, added, *given, None)
        assert_same_bits(y, closed_form.sum_forward(x, added, *given))


@pytest.mark.parametrize(("shape", "of_threshold"), SHAPES)
def test_thresholds_of_channels(rng, shape, of_threshold):
    x, upstream = (normal(rng, *shape) for _ in "xu")
    t, rules = normal(rng, *of_threshold, scale=1), (FixedPoint(8, narrow=True), "half_even", None)

    y, gradient = jax.vjp(lambda x, t: numerics.fake_quant(x, t, rules, True, None), x, t)
    found_dx, found_dt = gradient(upstream)

    assert_same_bits(y, closed_form.forward(x, t, *rules))
    dx, dt = closed_form.backward(x, t, upstream, *rules)
    assert_same_bits(found_dx, dx)
    assert found_dt.shape == t.shape
    np.testing.assert_allclose(found_dt, dt, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("accumulates", [False, True])
def test_bits_do_not_depend_on_the_number_of_threads(rng, monkeypatch, accumulates):
    x, upstream = (normal(rng, 5000, 24) for _ in "xu")
    rules = ((FixedPoint(8), "half_even", np.inf), (FixedPoint(6), "half_even", None))
    thresholds = jnp.float32(0.7), jnp.float32(1.2)
    given = thresholds[: 1 + accumulates], rules[: 1 + accumulates], upstream
    bias, found = normal(rng, 24), []
    for threads in (1, 2, 3):
        monkeypatch.setattr(one_pass, "threads", lambda threads=threads: threads)
        found.append(jax.tree.leaves(both(x, *given, bias=bias)))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_same_bits(a, b)


def test_calls_at_once_give_their_own_results(rng, monkeypatch):
    monkeypatch.setattr(one_pass, "threads", lambda: 4)
    t = jnp.float32(0.7)
    inputs = [(normal(rng, 40000 + 1000 * i), normal(rng, 40000 + 1000 * i)) for i in range(8)]
    expected = [closed_form.backward(x, t, upstream, *RULES) for x, upstream in inputs]

    def call(i):
        (x, upstream), (dx, dt) = inputs[i % 8], expected[i % 8]
        y, found_dx, _, (found_dt,) = both(x, (t,), (RULES,), upstream)
        assert_same_bits(y, closed_form.forward(x, t, *RULES))
        assert_same_bits(found_dx, dx)
        np.testing.assert_allclose(found_dt, dt, rtol=1e-3)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(100), timeout=60))


@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_a_gradient_that_others_need_is_kept(rng, way):
    """Its memory becomes that of `dx` only if nobody else reads it."""
    x, t = normal(rng, 300, 40, scale=0.3), jnp.float32(-2.0)

    def step(x):
        upstream = jnp.sin(x)
        _, dx, _, _ = both(x, (t,), (RULES,), upstream)
        return upstream, dx, upstream + 0.0 * dx

    def of_itself(x):
        x = 1.5 * x
        return x, both(x, (t,), (RULES,), x)[1]

    def closed(x, upstream):
        return closed_form.backward(x, t, upstream, *RULES)[0]

    upstream, dx, again = way(step)(x)
    np.testing.assert_allclose(upstream, np.sin(x), rtol=1e-6)
    assert_same_bits(dx, closed(x, upstream))
    assert (np.array(dx) == 0).any()
    assert_same_bits(again, upstream)
    larger, dx = way(of_itself)(x)
    assert_same_bits(larger, 1.5 * x)
    assert_same_bits(dx, closed(larger, larger))


@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_nothing_is_nothing(way):
    x, t, bias = jnp.zeros((0, 4)), jnp.float32(0.0), jnp.zeros(4)
    for of_bias in (None, bias):
        y, dx, dbias, (dt,) = way(lambda b=of_bias: both(x, (t,), (RULES,), x, bias=b))()
        assert y.shape == dx.shape == x.shape
        assert dt == 0.0
        assert dbias is None or not np.any(dbias)
    for shape, of_threshold in (((0, 4), (1, 4)), ((4, 0), (4, 1))):
        x, t = jnp.zeros(shape), jnp.zeros(of_threshold)
        y, dx, _, (dt,) = way(lambda x=x, t=t: both(x, (t,), (RULES,), x))()
        assert y.shape == dx.shape == x.shape
        np.testing.assert_array_equal(dt, np.zeros(of_threshold))


def test_gradients_can_be_differentiated_and_samples_mapped_over(rng):
    x, u = normal(rng, 50, scale=1), normal(rng, 50)

    def second(quantize):
        def of_threshold(x, t):
            return jax.grad(lambda t: jnp.sum(jnp.square(quantize(x, t)) * u))(t)

        return jax.grad(of_threshold, (0, 1))(x, jnp.float32(0.2))

    rules = FixedPoint(3), "half_even", None
    found = second(lambda x, t: numerics.fake_quant(x, t, rules, True, None))
    expected = second(lambda x, t: numerics._fake_quant(x, t, None, rules))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    t = jnp.array([-1.0, 0.3, 2.0])
    y = jax.vmap(lambda t: numerics.fake_quant(x, t, rules, True, None))(t)
    assert_same_bits(y, jnp.stack([closed_form.forward(x, each, *rules) for each in t]))


def small_model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = Quantizer(FixedPoint(8), initial_threshold=4.0)(inputs)
    hidden = QuantDense(8, activation_bits=None)(hidden)
    return keras.Model(inputs, Quantizer(FixedPoint(8), initial_threshold=2.0)(hidden))


def calls_in(model, training):
    """Return the text of the graph of a model's call, which names its foreign functions."""
    graph = jax.jit(lambda x: model(x, training=training)).lower(jnp.zeros((2, 6)))
    return graph.as_text()


def test_a_graph_of_training_has_operators_and_one_of_inference_has_none():
    model = small_model()
    for training in (True, False):
        assert (jax_cpu.NAMES[0] in calls_in(model, training)) == training


def test_a_biased_sum_is_quantized_in_one_pass():
    """Input, kernel, bias and the sum with its quantizer."""
    assert calls_in(small_model(), True).count(f"@{jax_cpu.NAMES[0]}") == 4


def test_several_devices_have_plain_operations(monkeypatch):
    """XLA divides them among the devices."""
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    assert jax_cpu.NAMES[0] not in calls_in(small_model(), True)


def test_a_model_trains_as_without_the_operators(rng, monkeypatch):
    x, y = rng.normal(size=(16, 6)).astype("float32"), rng.normal(size=(16, 8)).astype("float32")

    def trained():
        model = small_model()
        model.compile(keras.optimizers.SGD(0.1), "mse")
        losses = [model.train_on_batch(x, y) for _ in range(3)]
        return losses, model.get_weights()

    losses, weights = trained()
    monkeypatch.setattr(jax_cpu, "computes", lambda: False)
    other_losses, other_weights = trained()
    np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
    for a, b in zip(other_weights, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


FIELDS = [float(field) for field in one_pass.fields(RULES)]
WRONG = {
    "no threshold": {"log2_thresholds": [jnp.zeros([0])]},
    "channels": {"log2_thresholds": [jnp.zeros([4])], "inner": 2},
    "nothing that follows": {"log2_thresholds": [jnp.zeros([2])], "inner": 0},
    "bias": {"bias": jnp.zeros([4])},
    "accumulator": {"log2_thresholds": [jnp.zeros([])] * 2, "rules": FIELDS * 2},
    "three thresholds": {"log2_thresholds": [jnp.zeros([])] * 3, "rules": FIELDS * 3},
    "few rules": {"rules": FIELDS[1:]},
    "integers": {"x": jnp.zeros([6], "int32")},
    "a short bias": {"x": jnp.zeros([6]), "bias": jnp.zeros([3], "bfloat16")},
    "upstream": {"upstream": jnp.zeros([5])},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_sizes_that_do_not_fit_are_refused(wrong):
    """Else memory of others would be read. The package calls no operator so."""
    nothing = jnp.zeros([0])
    given = {"x": jnp.zeros([6]), "bias": nothing, "exponent": nothing, "inner": 0}
    given = given | {"log2_thresholds": [jnp.zeros([])], "rules": FIELDS} | WRONG[wrong]
    upstream = given.get("upstream", jnp.zeros([6]))
    inputs = [given["x"], given.get("bias", nothing), nothing]
    inputs += given["log2_thresholds"]
    attributes = {
        "inner": np.int32(given["inner"]),
        "threads": np.int32(1),
        "rules": np.array(given["rules"], "float32"),
    }
    like = jax.ShapeDtypeStruct((6,), "float32")
    bias, *of_thresholds = (jax.ShapeDtypeStruct(i.shape, i.dtype) for i in inputs[1:])
    results = [like, bias, *of_thresholds[1:]]
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        jax.ffi.ffi_call(jax_cpu.NAMES[1], results)(*inputs, upstream, **attributes)
    if wrong != "upstream":
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            jax.ffi.ffi_call(jax_cpu.NAMES[0], like)(*inputs, **attributes)
