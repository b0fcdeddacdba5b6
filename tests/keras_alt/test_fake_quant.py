"""The quantizer function against independent vectors and closed forms."""

import ast
import inspect
import itertools
import pathlib

import keras
import numpy as np
import pytest
from conftest import GOLDEN, gradients
from keras import ops

from keras_alt import FixedPoint, fake_quant, numerics
from keras_alt.numerics.contract import Backend, SumFusingBackend
from keras_alt.numerics.rounding import ROUNDINGS, STEPPED

pytestmark = [pytest.mark.backend, pytest.mark.check]

LN2 = np.log(2.0)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "fake_quant.npz") as file:
        return {name: file[name] for name in file}


def q(x, log2_threshold, bits, signed=True, **kwargs):
    x = ops.convert_to_tensor(np.asarray(x, "float32"))
    return ops.convert_to_numpy(fake_quant(x, log2_threshold, FixedPoint(bits, signed), **kwargs))


def dq(x, log2_threshold, bits, signed=True, **kwargs):
    """Return dq/dx of each element and each element's dq/dlog2_threshold."""
    format = FixedPoint(bits, signed)
    results = []
    for value in np.atleast_1d(np.asarray(x, "float32")):
        dx, dt = gradients(
            lambda v, t: fake_quant(v, t, format, **kwargs),
            [np.array([value], "float32"), np.float32(log2_threshold)],
        )
        results.append((dx[0], dt))
    return np.array(results).T


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_golden_vectors(golden, with_c, training, compiled):
    rows = range(0, 200, 10) if compiled else range(200)
    large = 10 if with_c else 1  # XLA compiles each for a while
    for i in rows:
        format = FixedPoint(int(golden["bits"][i]), bool(golden["signed"][i]))
        x, t = golden["x"][i], np.float32(golden["log2_threshold"][i])
        # Large enough for XLA's loops, and for several threads: the row many times over.
        repeats = 1024 if training and i < large else 1
        f = lambda v, t, format=format: fake_quant(v, t, format, training=training)  # noqa: E731
        dx, dt = gradients(f, [np.tile(x, repeats), t], compiled=compiled)

        np.testing.assert_array_equal(
            ops.convert_to_numpy(f(ops.convert_to_tensor(x), t)), golden["q"][i]
        )
        np.testing.assert_array_equal(dx, np.tile(golden["dq_dx"][i], repeats))
        exact = golden["dq_dlog2t"][i]
        assert abs(dt - repeats * exact.sum()) <= 1e-6 * repeats * np.abs(exact).sum()


def test_golden_threshold_gradient_of_each_element(golden):
    for i in range(0, 200, 40):
        format = FixedPoint(int(golden["bits"][i]), bool(golden["signed"][i]))
        t = np.float32(golden["log2_threshold"][i])
        f = lambda v, t, format=format: fake_quant(v, t, format)  # noqa: E731
        each = [gradients(f, [golden["x"][i][j : j + 1], t])[1] for j in range(64)]
        scale = max(1.0, 2.0 ** golden["log2_threshold"][i])
        np.testing.assert_allclose(each, golden["dq_dlog2t"][i], rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize(
    ("bits", "signed", "threshold", "x", "expected"),
    [
        (3, True, 1, [0.9, 0.3, -0.4, -1.5], [0.75, 0.25, -0.5, -1]),  # check 1
        (3, True, 1, [0.125, 0.375, 0.625], [0, 0.5, 0.5]),  # 2
        (8, True, 1, [0.00390625, 0.01171875], [0, 0.015625]),
        (3, False, 1, [-0.5, 0.3, 0.9375, 0.93], [0, 0.25, 0.875, 0.875]),  # 3
        (8, True, 1, [1.0, -1, 0.99609375], [0.9921875, -1, 0.9921875]),  # 4
        (8, True, 0.75, [0.7, 0.99], [0.703125, 0.9921875]),  # 5
        (8, True, 1.0001, [1.0], [1.0]),
        (8, False, 6, [6, 8, 0.015625, 0.046875], [6, 7.96875, 0, 0.0625]),  # 6
        (4, True, 0.3, [0.3, 0.45, 0.46875, -0.55], [0.3125, 0.4375, 0.4375, -0.5]),  # 7
        (16, True, 0.1, [0.1], [26214 * 2.0**-18]),  # 8
        (16, True, 0.01, [0.01], [20972 * 2.0**-21]),
    ],
)
def test_forward_values(bits, signed, threshold, x, expected):
    np.testing.assert_array_equal(
        q(x, np.log2(threshold), bits, signed), np.asarray(expected, "float32")
    )


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("log2_threshold", [-7.3, -1.0, 0.0, 2.6, 11.0])
def test_results_are_codes_on_the_grid_and_stay_there(rng, bits, signed, log2_threshold):
    format = FixedPoint(bits, signed)
    x = rng.normal(0, 2.0**log2_threshold, 4096).astype("float32")
    y = q(x, log2_threshold, bits, signed)
    codes = y / 2.0 ** format.scale_exponent(log2_threshold)

    np.testing.assert_array_equal(codes, np.rint(codes))
    assert codes.min() >= format.qmin
    assert codes.max() <= format.qmax
    np.testing.assert_array_equal(q(y, log2_threshold, bits, signed), y)  # check 9


def test_only_the_ceiling_of_the_threshold_matters(rng):
    x = rng.normal(size=256)
    np.testing.assert_array_equal(q(x, 0.2, 8), q(x, 0.9, 8))  # check 10
    assert (q(x, 0.0, 8) != q(x, 1e-6, 8)).any()


def test_zero_maps_to_zero_and_signs_are_symmetric(rng):
    x = rng.uniform(-0.9, 0.9, 256)
    assert q([0.0], 0.0, 8)[0] == 0
    np.testing.assert_array_equal(q(-x, 0.0, 8), -q(x, 0.0, 8))  # check 11


def test_floor_rounds_down():
    log2_6 = np.log2(6)
    assert q([2.9967041], log2_6, 8, False, rounding="floor")[0] == 2.96875  # check 12
    assert q([2.9967041], log2_6, 8, False)[0] == 3.0


def test_half_up_and_stored_half_away():
    assert list(q([0.125, -0.125], 0.0, 3, rounding="half_up")) == [0.25, 0.0]
    # Codes 0.5 and 7.5 of uint3 are stored as -3.5 and 3.5.
    x = [0.5 / 8, 6.5 / 8]
    assert list(q(x, 0.0, 3, False, rounding="half_away_stored")) == [0.0, 7 / 8]


def test_unknown_rounding_is_an_error():
    with pytest.raises(ValueError, match="Received: rounding='up'"):
        q([1.0], 0.0, 8, rounding="up")


@pytest.mark.parametrize(
    ("bits", "signed", "threshold", "x", "dx", "dt"),
    [
        # checks 13, 14, 15
        (
            3,
            True,
            1,
            [0.3, -0.4, 0.87, 0.375],
            1,
            [-0.03465736, -0.06931472, -0.08317766, 0.0866434],
        ),
        (3, True, 1, [0.9, 1.2, 2], 0, [0.51986039] * 3),
        (3, True, 1, [-1.5, -1.126], 0, [-0.69314718] * 2),
        (3, True, 1, [-1.125], 1, [0.0866434]),
        (3, True, 1, [0.875], 0, [0.51986039]),
        # 16
        (3, False, 1, [-0.5], 0, [0]),
        (3, False, 1, [-0.0625, 0.93], 1, [0.0433217, -0.03812309]),
        (3, False, 1, [0.9375], 0, [0.60650378]),
        # 17
        (8, True, 1, [1.0], 0, [0.68773197]),
        (8, True, 1, [-3], 0, [-0.69314718]),
        (8, True, 1, [0.00390625], 1, [-0.00270761]),
        # 18, 19
        (8, False, 6, [8], 0, [5.52351660]),
        (8, False, 6, [-1], 0, [0]),
        (8, True, 0.75, [0.7], 1, [0.00216608]),
    ],
)
def test_gradient_values(bits, signed, threshold, x, dx, dt):
    # An unsigned -0.5 at 3 bit rounds to code -4 and saturates; so does -1.
    actual_dx, actual_dt = dq(x, np.log2(threshold), bits, signed)
    np.testing.assert_array_equal(actual_dx, np.full(len(x), dx))
    np.testing.assert_allclose(actual_dt, dt, rtol=2e-6, atol=1e-7)


def test_threshold_gradient_is_the_plain_sum_weighted_by_upstream(rng):
    x = rng.normal(size=64).astype("float32")
    upstream = rng.normal(size=64).astype("float32")
    _, dt = gradients(
        lambda v, t: fake_quant(v, t, FixedPoint(3)) * ops.convert_to_tensor(upstream),
        [x, np.float32(0.4)],
    )
    each = [dq(v, 0.4, 3)[1][0] for v in x]
    np.testing.assert_allclose(dt, np.dot(upstream, each), rtol=1e-5)  # check 20


def l2(x, t):
    x = ops.convert_to_tensor(x)
    return ops.square(fake_quant(x, t, FixedPoint(3)) - x) / 2.0


@pytest.mark.parametrize(
    ("x", "dt", "dx"),
    [
        (0.9, -0.07797906, 0.15),
        (0.3, 0.00173287, 0),
        (2, -0.64982548, 1.25),
        (-1.5, -0.34657359, -0.5),
    ],
)
def test_l2_gradients(x, dt, dx):  # check 21
    actual_dx, actual_dt = gradients(l2, [np.array([x], "float32"), np.float32(0)])
    np.testing.assert_allclose(actual_dx[0], dx, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(actual_dt, dt, rtol=2e-5)


@pytest.mark.parametrize("log2_threshold", [0.0, 0.5, 1.0])
def test_ceil_passes_the_gradient(log2_threshold):  # check 22
    assert dq([100.0], log2_threshold, 8)[1][0] != 0


def test_values_inside_the_range_pull_the_threshold_in(rng):  # check 24
    x = rng.uniform(-0.7, 0.7, 512).astype("float32")
    error = q(x, 0.0, 3) - x
    _, dt = gradients(l2, [x, np.float32(0)])
    np.testing.assert_allclose(dt, LN2 * np.square(error).sum(), rtol=1e-5)
    assert dt >= 0


@pytest.mark.parametrize("relu_max", [np.inf, 6.0])
def test_relu_in_front_is_the_relu_layer_in_front(rng, relu_max):
    x = rng.normal(0, 4, 1024).astype("float32")
    format, t = FixedPoint(8, signed=False), np.float32(2.2)
    relu = keras.activations.relu6 if relu_max == 6 else keras.activations.relu
    together = lambda v, t: fake_quant(v, t, format, relu_max=relu_max)  # noqa: E731
    apart = lambda v, t: fake_quant(relu(v), t, format)  # noqa: E731
    x_ = ops.convert_to_tensor(x)

    np.testing.assert_array_equal(
        ops.convert_to_numpy(together(x_, t)), ops.convert_to_numpy(apart(x_, t))
    )
    for a, b in zip(gradients(together, [x, t]), gradients(apart, [x, t]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


# What is no usual number too. Infinity marks an unset threshold, and NaN did so in older files.
EVERYTHING = [0.5, 0.0, -0.0, -1.0, 1e-45, 3e38, -3e38, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("size", [10, 2**16])  # the second is compiled on TensorFlow
@pytest.mark.parametrize("unset", [np.inf, np.nan])
def test_an_unset_threshold_gives_no_number(unset, size):
    x = np.resize(EVERYTHING, (size, 1))
    formats = FixedPoint(8), FixedPoint(8, signed=False), FixedPoint(2)
    for format, rounding in itertools.product(formats, ROUNDINGS):
        exponents = (-3.0, np.inf) if rounding in STEPPED else (None,)
        for exponent, training, relu_max in itertools.product(
            exponents, (True, False), (None, np.inf, 6.0)
        ):
            rules = {"rounding": rounding, "training": training, "relu_max": relu_max}
            for t in (unset, np.full((1, 1), unset)):  # of the tensor and of channels
                y = q(x, np.float32(t), format.bits, format.signed, exponent=exponent, **rules)
                assert np.isnan(y).all(), (rules, format)


@pytest.mark.parametrize("size", [10, 2**16])
@pytest.mark.parametrize("unset", [np.inf, np.nan])
@pytest.mark.parametrize("relu_max", [None, 6.0])
def test_an_unset_threshold_has_no_gradient(unset, size, relu_max):
    x = np.resize(np.float32([0.5, 1e-20, 5.9]), size)  # the ReLU6 stops the gradient elsewhere
    call = lambda v, t: fake_quant(v, t, FixedPoint(8), relu_max=relu_max)  # noqa: E731
    assert all(np.isnan(each).all() for each in gradients(call, [x, np.float32(unset)]))


def test_half_precision_is_computed_in_single(rng):
    x = rng.normal(size=128).astype("float16")
    y = fake_quant(ops.convert_to_tensor(x), 0.0, FixedPoint(8))
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    np.testing.assert_array_equal(ops.convert_to_numpy(y), q(x, 0.0, 8))


@pytest.mark.parametrize(
    ("backend", "contract"),
    [("tensorflow", SumFusingBackend), ("jax", Backend), ("torch", SumFusingBackend)],
)
def test_every_backend_has_the_functions_of_its_contract(backend, contract):
    # Read, not imported: only one of the backends need be installed.
    source = pathlib.Path(numerics.__path__[0], f"{backend}.py").read_text()
    defined = {
        node.name: [argument.arg for argument in node.args.args]
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    for name, method in inspect.getmembers(contract, inspect.isfunction):
        if not name.startswith("_"):
            assert defined[name] == list(inspect.signature(method).parameters)[1:]
