"""The operators of TensorFlow's quantizer give the bits of the closed form."""

import multiprocessing
import os
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
    pytest.mark.check,
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:overflow|One of rtol"),
]

if keras.backend.backend() != "tensorflow":
    pytest.skip("about TensorFlow", allow_module_level=True)

import tensorflow as tf  # noqa: E402

from keras_alt.numerics import tensorflow as numerics  # noqa: E402
from keras_alt.numerics import tensorflow_cpu  # noqa: E402

if not tensorflow_cpu.computes():
    pytest.skip("no compiler is installed, or there is a GPU", allow_module_level=True)

RULES = FixedPoint(8), "half_even", None


def values(rng, log2_threshold):
    return tf.constant(one_pass_values.values(rng, log2_threshold))


def normal(rng, *shape, scale=2):
    return tf.constant(rng.normal(0, scale, shape), "float32")


def bits(tensor):
    """Return the bits of floats, those of both zeros alike, too.

    Which of both zeros their maximum is differs among TensorFlow's own kernels.
    """
    found = one_pass_values.bits(tensor)
    found[found == np.iinfo("int32").min] = 0
    return found


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(bits(found), bits(expected))


def both(x, log2_thresholds, rules, upstream, exponent=None, bias=None):
    """Return the values, and the gradients of `x`, of a bias and of the thresholds."""
    sources = [x, *log2_thresholds, *([] if bias is None else [bias])]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y = tensorflow_cpu.quantized(x, log2_thresholds, rules, exponent, bias)
    dx, *others = tape.gradient(y, sources, upstream)
    count = len(log2_thresholds)
    return y, dx, (None if bias is None else others[count]), others[:count]


@pytest.mark.parametrize(("rounding", "relu_max"), pairs(sorted(ROUNDINGS), [None, np.inf, 6.0]))
def test_every_bit_is_that_of_the_closed_form(rng, rounding, relu_max):
    for format in FORMATS:
        for log2_threshold in THRESHOLDS:
            x, t = values(rng, log2_threshold), tf.constant(log2_threshold)
            upstream = normal(rng, *x.shape, scale=1)
            scale = closed_form.power_of_two(t, format)
            exponent = tf.math.ceil(t) - format.bits - 4 if rounding in STEPPED else None
            rules = format, rounding, relu_max

            y, dx, _, (dt,) = both(x, (t,), (rules,), upstream, exponent)

            assert_same_bits(y, closed_form.forward(x, t, *rules, exponent))
            given = x, t, upstream, *rules, exponent
            expected_dx, shares = closed_form.backward_terms(*given)
            assert_same_bits(dx, expected_dx)
            expected_dt = closed_form.threshold_gradient(shares, t, format)
            assert_close(dt, expected_dt, shares * scale)


def test_a_graph_gives_the_bits_of_a_single_step(rng):
    step = tf.function(lambda x, t, u: both(x, (t,), (RULES,), u)[:2])
    for log2_threshold in THRESHOLDS:
        x, t = values(rng, log2_threshold), tf.constant(log2_threshold)
        upstream = normal(rng, *x.shape)
        for found, expected in zip(
            step(x, t, upstream), both(x, (t,), (RULES,), upstream)[:2], strict=True
        ):
            assert_same_bits(found, expected)


@pytest.mark.parametrize("way", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_helping_threads_flush_to_zero_as_those_of_tensorflow(rng, way, monkeypatch):
    monkeypatch.setattr(tensorflow_cpu, "_threads", lambda: 3)
    upstream = tf.fill([2**18], 1e-40)  # no normal number
    x, t = normal(rng, 2**18, scale=0.1), tf.constant(0.3)
    _, dx, _, _ = way(lambda: both(x, (t,), (RULES,), upstream))()
    assert_same_bits(dx, closed_form.backward_terms(x, t, upstream, *RULES)[0])
    assert not bits(dx).any()


@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize(("channels", "relu_max"), pairs([1, 3, 16, 1500], [None, np.inf, 6.0]))
def test_a_sum_is_its_single_steps(rng, channels, relu_max, accumulates):
    rules = ((FixedPoint(8), "half_even", relu_max), (FixedPoint(6), "half_even", None))
    thresholds = tf.constant(1.7), tf.constant(0.7)
    rules, thresholds = (of[: 1 + accumulates] for of in (rules, thresholds))
    x, upstream = (normal(rng, 7, 10, channels) for _ in "xu")
    bias = normal(rng, channels)

    y, dx, dbias, dts = both(x, thresholds, rules, upstream, bias=bias)

    assert_same_bits(y, closed_form.sum_forward(x, bias, thresholds, rules))
    given = x, bias, thresholds, upstream, rules
    expected_dx, dsum, shares = closed_form.sum_backward_terms(*given)
    assert_same_bits(dx, expected_dx)
    np.testing.assert_allclose(dbias, np.sum(dsum, (0, 1)), rtol=1e-5, atol=1e-4)
    for dt, share, t, (format, *_) in zip(dts, shares, thresholds, rules, strict=True):
        assert_close(dt, closed_form.threshold_gradient(share, t, format), share)


@pytest.mark.parametrize("relu_max", [None, 6.0])
def test_a_sum_of_other_shapes_is_its_single_steps(rng, relu_max):
    """One in which the operators find no channels, or another rounding of the accumulator."""
    rules = (FixedPoint(8), "half_even", relu_max), (FixedPoint(6), "floor", None)
    x, bias = normal(rng, 8, 5), normal(rng, 5)
    thresholds = tf.constant(1.7), tf.constant(0.7)
    for count, added in ((2, bias), (1, bias[:1])):
        given = thresholds[:count], rules[:count]
        y = numerics.fake_quant_sum(x, added, *given, None)
        assert_same_bits(y, closed_form.sum_forward(x, added, *given))


@pytest.mark.parametrize(("shape", "of_threshold"), SHAPES)
def test_thresholds_of_channels(rng, shape, of_threshold):
    x, upstream = (normal(rng, *shape) for _ in "xu")
    t, rules = normal(rng, *of_threshold, scale=1), (FixedPoint(8, narrow=True), "half_even", None)
    with tf.GradientTape() as tape:
        tape.watch((x, t))
        y = numerics.fake_quant(x, t, rules, True, None)
    found_dx, found_dt = tape.gradient(y, (x, t), upstream)

    assert_same_bits(y, closed_form.forward(x, t, *rules))
    dx, dt = closed_form.backward(x, t, upstream, *rules)
    assert_same_bits(found_dx, dx)
    assert found_dt.shape == t.shape
    np.testing.assert_allclose(found_dt, dt, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("accumulates", [False, True])
def test_bits_do_not_depend_on_the_number_of_threads(rng, monkeypatch, accumulates):
    x, upstream = (normal(rng, 5000, 24) for _ in "xu")
    rules = ((FixedPoint(8), "half_even", np.inf), (FixedPoint(6), "half_even", None))
    thresholds = tf.constant(0.7), tf.constant(1.2)
    given = thresholds[: 1 + accumulates], rules[: 1 + accumulates], upstream
    bias, found = normal(rng, 24), []
    for threads in (1, 2, 3):
        monkeypatch.setattr(tensorflow_cpu, "_threads", lambda threads=threads: threads)
        found.append(tf.nest.flatten(both(x, *given, bias=bias)))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_same_bits(a, b)


def test_calls_at_once_give_their_own_results(rng, monkeypatch):
    monkeypatch.setattr(tensorflow_cpu, "_threads", lambda: 4)
    t = tf.constant(0.7)
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


@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_can_fork_after_it_used_the_operators(rng, monkeypatch):
    monkeypatch.setattr(tensorflow_cpu, "_threads", lambda: 3)
    x, t = normal(rng, 2**17), tf.constant(0.7)
    before = tensorflow_cpu.quantized(x, (t,), (RULES,), None)
    child = multiprocessing.get_context("fork").Process(target=os.getpid)
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert_same_bits(tensorflow_cpu.quantized(x, (t,), (RULES,), None), before)


@pytest.mark.parametrize("way", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_a_gradient_that_others_need_is_kept(rng, way):
    """Its memory becomes that of `dx` only if nobody else reads it."""
    x, t = normal(rng, 300, 40, scale=0.3), tf.constant(-2.0)

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tensorflow_cpu.quantized(x, (t,), (RULES,), None)
        upstream = tf.sin(x)
        dx = tape.gradient(y, x, upstream)
        return upstream, dx, upstream + 0.0 * dx

    def of_itself(x):
        x = 1.5 * x
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tensorflow_cpu.quantized(x, (t,), (RULES,), None)
        return x, tape.gradient(y, x, x)

    def alone(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tensorflow_cpu.quantized(x, (t,), (RULES,), None)
            total = tf.reduce_sum(y * tf.sin(x))
        return tape.gradient(total, x)

    def closed(x, upstream):
        return closed_form.backward(x, t, upstream, *RULES)[0]

    upstream, dx, again = way(step)(x)
    assert_same_bits(upstream, tf.sin(x))
    assert_same_bits(dx, closed(x, upstream))
    assert (dx.numpy() == 0).any()
    assert_same_bits(again, upstream)

    larger, dx = way(of_itself)(x)
    assert_same_bits(larger, 1.5 * x)
    assert_same_bits(dx, closed(larger, larger))

    expected = closed(x, tf.sin(x)) + closed_form.forward(x, t, *RULES) * tf.cos(x)
    np.testing.assert_allclose(way(alone)(x), expected, rtol=1e-6)


@pytest.mark.parametrize("way", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_nothing_is_nothing(way):
    x, t, bias = tf.zeros((0, 4)), tf.constant(0.0), tf.zeros(4)
    for of_bias in (None, bias):
        y, dx, dbias, (dt,) = way(lambda b=of_bias: both(x, (t,), (RULES,), x, bias=b))()
        assert y.shape == dx.shape == x.shape
        assert dt.numpy() == 0.0
        assert dbias is None or not dbias.numpy().any()
    for shape, of_threshold in (((0, 4), (1, 4)), ((4, 0), (4, 1))):
        x, t = tf.zeros(shape), tf.zeros(of_threshold)
        y, dx, _, (dt,) = way(lambda x=x, t=t: both(x, (t,), (RULES,), x))()
        assert y.shape == dx.shape == x.shape
        np.testing.assert_array_equal(dt, np.zeros(of_threshold))


def test_sizes_that_a_graph_does_not_know(rng):
    x, t, upstream = normal(rng, 3, 4), tf.constant(0.3), normal(rng, 3, 4)
    each = normal(rng, 1, 4)
    for shape in ([None, 4], [None, None], None):
        for threshold in (t, each):
            step = tf.function(
                lambda x, u, t=threshold: numerics.fake_quant(x, t, RULES, True, None),
                input_signature=[tf.TensorSpec(shape)] * 2,
            )
            if shape is not None or threshold is each:
                assert_same_bits(step(x, upstream), closed_form.forward(x, threshold, *RULES))
    bias = normal(rng, 4)
    step = tf.function(
        lambda x, u: both(x, (t,), (RULES,), u, bias=bias)[:3],
        input_signature=[tf.TensorSpec([None, 4])] * 2,
    )
    y, dx, dbias = step(x, upstream)
    assert_same_bits(y, closed_form.sum_forward(x, bias, (t,), (RULES,)))
    expected_dx, dsum, _ = closed_form.sum_backward_terms(x, bias, (t,), upstream, (RULES,))
    assert_same_bits(dx, expected_dx)
    np.testing.assert_allclose(dbias, np.sum(dsum, 0), rtol=1e-5)
    assert step.get_concrete_function().structured_outputs[0].shape.as_list() == [None, 4]


FIELDS = [float(field) for field in one_pass.fields(RULES)]
WRONG = {
    "no threshold": {"log2_thresholds": [tf.zeros([0])]},
    "channels": {"log2_thresholds": [tf.zeros([4])], "inner": 2},
    "nothing that follows": {"log2_thresholds": [tf.zeros([2])], "inner": 0},
    "bias": {"bias": tf.zeros([4])},
    "accumulator": {"log2_thresholds": [tf.zeros([])] * 2, "rules": FIELDS * 2},
    "three thresholds": {"log2_thresholds": [tf.zeros([])] * 3, "rules": FIELDS * 3},
    "few rules": {"rules": FIELDS[1:]},
    "many axes": {"x": tf.zeros([1] * 33)},
    "upstream": {"upstream": tf.zeros([5])},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_sizes_that_do_not_fit_are_refused(wrong):
    """Else memory of others would be read. The package calls no operator so."""
    nothing = tf.zeros([0])
    given = {"x": tf.zeros([6]), "bias": nothing, "exponent": nothing, "inner": 0, "threads": 1}
    given = given | {"log2_thresholds": [tf.zeros([])], "rules": FIELDS} | WRONG[wrong]
    upstream = given.pop("upstream", tf.zeros_like(given["x"]))
    operators = tensorflow_cpu.operators()
    with pytest.raises(tf.errors.InvalidArgumentError):
        operators.keras_alt_quantize_gradient(**given, upstream=upstream)
    if wrong != "upstream":
        with pytest.raises(tf.errors.InvalidArgumentError):
            operators.keras_alt_quantize(**given)
