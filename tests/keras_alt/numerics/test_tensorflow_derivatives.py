"""The operators of TensorFlow's quantizer can be differentiated again, and forward."""

import keras
import numpy as np
import pytest

from keras_alt.formats import FixedPoint
from keras_alt.numerics import closed_form

pytestmark = [pytest.mark.check, pytest.mark.tensorflow_only]

if keras.backend.backend() != "tensorflow":
    pytest.skip("about TensorFlow", allow_module_level=True)

import tensorflow as tf  # noqa: E402

from keras_alt.numerics import tensorflow as numerics  # noqa: E402
from keras_alt.numerics import tensorflow_cpu  # noqa: E402

if not tensorflow_cpu.computes():
    pytest.skip("no compiler is installed, or there is a GPU", allow_module_level=True)

RULES = FixedPoint(8), "half_even", None


def normal(rng, *shape, scale=2):
    return tf.constant(rng.normal(0, scale, shape), "float32")


def second_order(quantize, sources):
    with tf.GradientTape() as outer:
        outer.watch(sources)
        with tf.GradientTape() as inner:
            inner.watch(sources)
            total = tf.reduce_sum(tf.square(quantize(*sources)))
        first = tf.add_n([tf.reduce_sum(tf.square(g)) for g in inner.gradient(total, sources)])
    return outer.gradient(first, sources)


@pytest.mark.parametrize("way", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_a_gradient_can_be_differentiated(rng, way):
    sources, rules = [normal(rng, 50), tf.constant(0.2)], (FixedPoint(3), "half_even", None)
    operators = lambda x, t: tensorflow_cpu.quantized(x, (t,), (rules,), None)  # noqa: E731
    found = way(lambda: second_order(operators, sources))()
    expected = way(lambda: second_order(numerics._plain(*rules), sources))()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def single_steps(rules):
    return lambda x, bias, t: numerics._plain(*rules[0])(x + bias, t)


def loops_of_xla(rules):
    return numerics._compiled_sum(1, 1, rules)


@pytest.mark.parametrize(
    ("accumulates", "other_way"),
    [
        (False, single_steps),
        pytest.param(True, loops_of_xla, marks=pytest.mark.full),
    ],
)
def test_a_gradient_of_a_sum_can_be_differentiated(rng, accumulates, other_way):
    """With an accumulator it is that of the loops of XLA, whose rounding has no gradient here."""
    rules = (FixedPoint(5), "half_even", 6.0), (FixedPoint(4), "half_even", None)
    sources = [normal(rng, 6, 5), normal(rng, 5), tf.constant(1.2), tf.constant(0.7)]
    rules, sources = rules[: 1 + accumulates], sources[: 3 + accumulates]

    def one_pass(x, bias, *thresholds):
        return tensorflow_cpu.quantized(x, thresholds, rules, None, bias)

    found = second_order(one_pass, sources)
    for a, b in zip(found, second_order(other_way(rules), sources), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_derivative_forward(rng):
    x, t, along = normal(rng, 20, scale=1), tf.constant(0.2), normal(rng, 20)
    with tf.autodiff.ForwardAccumulator(x, along) as accumulator:
        y = numerics.fake_quant(x, t, RULES, True, None)
    expected = closed_form.backward_terms(x, t, along, *RULES)[0]
    np.testing.assert_array_equal(accumulator.jvp(y), expected)


@pytest.mark.filterwarnings("ignore:Using a while_loop")
def test_a_jacobian(rng):
    x, t = normal(rng, 6), tf.constant(0.2)

    def jacobians(quantize):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch((x, t))
            y = quantize(x, t)
        return tape.jacobian(y, (x, t))

    found = jacobians(lambda x, t: numerics.fake_quant(x, t, RULES, True, None))
    for a, b in zip(found, jacobians(numerics._plain(*RULES)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
