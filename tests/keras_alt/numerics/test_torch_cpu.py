"""The C functions of torch's quantizer give the bits of the closed form."""

import keras
import numpy as np
import one_pass_values
import pytest
from one_pass_values import FORMATS, SHAPES, THRESHOLDS, assert_close

from keras_alt.formats import FixedPoint
from keras_alt.numerics import closed_form
from keras_alt.numerics.rounding import ROUNDINGS, STEPPED

pytestmark = [
    pytest.mark.backend,
    pytest.mark.check,
    pytest.mark.filterwarnings("ignore:overflow|One of rtol|.*torch.jit.trace|torch.*constants"),
]

if keras.backend.backend() != "torch":
    pytest.skip("about torch", allow_module_level=True)

import torch  # noqa: E402

from keras_alt.numerics import torch as numerics  # noqa: E402
from keras_alt.numerics import torch_cpu  # noqa: E402

if torch_cpu.functions() is None:
    pytest.skip("no compiler is installed", allow_module_level=True)


def values(rng, log2_threshold):
    return torch.tensor(one_pass_values.values(rng, log2_threshold))


def bits(tensor):
    return one_pass_values.bits(tensor.detach().contiguous())


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(bits(found), bits(expected))


@pytest.mark.parametrize("relu_max", [None, np.inf, 6.0])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_bit_is_that_of_the_closed_form(rng, rounding, relu_max):
    for format in FORMATS:
        for log2_threshold in THRESHOLDS:
            x, t = values(rng, log2_threshold), torch.tensor(log2_threshold)
            upstream = torch.tensor(rng.normal(size=x.shape).astype("float32"))
            exponent = closed_form.power_of_two(t, format).log2() - 5
            exponent = exponent if rounding in STEPPED else None
            rules = format, rounding, relu_max

            y = torch_cpu.forward(x, (t,), (rules,), exponent)
            dx, _, dt = torch_cpu.backward(x, None, (t,), upstream, (rules,), exponent)

            assert_same_bits(y, closed_form.forward(x, t, *rules, exponent))
            given = x, t, upstream, *rules, exponent
            expected_dx, shares = closed_form.backward_terms(*given)
            assert_same_bits(dx, expected_dx)
            scale = closed_form.power_of_two(t, format)
            assert_close(dt, closed_form.backward(*given)[1], shares * scale)


@pytest.mark.parametrize("relu_max", [None, np.inf, 6.0])
@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 16, 1500])
def test_a_sum_is_its_single_steps(rng, channels, accumulates, relu_max):
    rules = ((FixedPoint(8), "half_even", relu_max), (FixedPoint(6), "half_even", None))
    thresholds = torch.tensor(1.7), torch.tensor(0.7)
    rules, thresholds = (of[: 1 + accumulates] for of in (rules, thresholds))
    x, upstream = (torch.tensor(rng.normal(0, 2, (70, channels)).astype("float32")) for _ in "xu")
    bias = torch.tensor(rng.normal(size=channels).astype("float32"))

    y = torch_cpu.forward(x, thresholds, rules, None, bias)
    dx, dbias, *dts = torch_cpu.backward(x, bias, thresholds, upstream, rules)

    assert_same_bits(y, closed_form.sum_forward(x, bias, thresholds, rules))
    given = x, bias, thresholds, upstream, rules
    expected_dx, dsum, shares = closed_form.sum_backward_terms(*given)
    assert_same_bits(dx, expected_dx)
    np.testing.assert_allclose(dbias, dsum.sum(0), rtol=1e-5, atol=1e-4)
    for dt, share, t, (format, *_) in zip(dts, shares, thresholds, rules, strict=True):
        assert_close(dt, closed_form.threshold_gradient(share, t, format), share)


@pytest.mark.parametrize(("shape", "of_threshold"), SHAPES)
def test_thresholds_of_channels(rng, shape, of_threshold):
    x, upstream = (torch.tensor(rng.normal(0, 2, shape).astype("float32")) for _ in "xu")
    t = torch.tensor(rng.normal(size=of_threshold).astype("float32"), requires_grad=True)
    x.requires_grad_()
    rules = FixedPoint(8, narrow=True), "half_even", None

    y = numerics.fake_quant(x, t, rules, True, None)
    y.backward(upstream)

    assert_same_bits(y, closed_form.forward(x, t, *rules))
    dx, dt = closed_form.backward(x.detach(), t.detach(), upstream, *rules)
    assert_same_bits(x.grad, dx)
    np.testing.assert_allclose(t.grad, dt, rtol=1e-4, atol=1e-5)


LAYOUTS = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "permuted": lambda x: x.permute(3, 0, 2, 1),
    "with gaps": lambda x: x[:, ::2],
    "expanded": lambda x: x[:1, :1].expand(x.shape),
    "a part of a row": lambda x: x[..., 1:],
}


@pytest.mark.parametrize("layout_of_upstream", ["as x", *LAYOUTS])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_of_memory_does_not_matter(rng, layout, layout_of_upstream):
    whole = torch.tensor(rng.normal(0, 2, (4, 6, 5, 7)).astype("float32"))
    x = LAYOUTS[layout](whole).detach().requires_grad_()
    upstream = torch.empty_like(x)
    if layout_of_upstream in LAYOUTS:
        upstream = LAYOUTS[layout_of_upstream](torch.ones(4, 6, 5, 7))
        upstream = upstream.reshape(-1)[0].expand(x.shape)
    upstream = upstream.copy_(torch.randn(x.shape)) if layout_of_upstream == "as x" else upstream
    t, bias = torch.tensor(0.7), torch.randn(x.shape[-1])
    rules = FixedPoint(8), "half_up", 6.0

    for y, expected, plain in (
        (
            numerics.fake_quant(x, t, rules, True, None),
            closed_form.forward(x, t, *rules),
            lambda: closed_form.backward(x, t, upstream, *rules)[0],
        ),
        (
            numerics.fake_quant_sum(x, bias, (t,), (rules,), None),
            closed_form.sum_forward(x, bias, (t,), (rules,)),
            lambda: closed_form.sum_backward_terms(x, bias, (t,), upstream, (rules,))[0],
        ),
    ):
        assert_same_bits(y, expected)
        (dx,) = torch.autograd.grad(y, x, upstream)
        assert_same_bits(dx, plain())


def test_bits_do_not_depend_on_the_number_of_threads(rng):
    x, upstream = (torch.tensor(rng.normal(0, 2, (5000, 24)).astype("float32")) for _ in "xu")
    bias, t = torch.tensor(rng.normal(size=24).astype("float32")), torch.tensor(0.7)
    rules = ((FixedPoint(8), "half_even", np.inf),)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            y = torch_cpu.forward(x, (t,), rules, None, bias)
            found.append([y, *torch_cpu.backward(x, bias, (t,), upstream, rules)])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_same_bits(a, b)


def test_a_gradient_can_be_differentiated(rng):
    x = torch.tensor(rng.normal(size=50).astype("float32"), requires_grad=True)
    t = torch.tensor(0.2, requires_grad=True)

    def second(quantize):
        y = quantize(x, t, (FixedPoint(3), "half_even", None), True, None)
        (dt,) = torch.autograd.grad(torch.square(y).sum(), t, create_graph=True)
        return torch.autograd.grad(dt, x)[0]

    def closed(x, t, rules, training, exponent):
        return numerics._FakeQuant.apply(x, t, rules, exponent)

    assert_same_bits(second(numerics.fake_quant), second(closed))


def test_a_traced_graph_has_plain_operations(rng):
    rules = FixedPoint(8), "half_even", None
    first, second = (torch.tensor(rng.normal(size=64).astype("float32")) for _ in "ab")

    def quantize(x):
        with torch.no_grad():
            return numerics.fake_quant(x, torch.tensor(0.0), rules, False, None)

    traced = torch.jit.trace(quantize, (first,), check_trace=False)
    assert_same_bits(traced(second), quantize(second))
    assert_same_bits(torch.vmap(quantize)(second[None])[0], quantize(second))


def test_nothing_is_nothing():
    x, rules = torch.zeros((0, 4), requires_grad=True), (FixedPoint(8), "half_even", None)
    y = numerics.fake_quant(x, torch.tensor(0.0), rules, True, None)
    assert y.shape == x.shape
    y = numerics.fake_quant_sum(x, torch.zeros(4), (torch.tensor(0.0),), (rules,), None)
    assert y.shape == x.shape


@pytest.mark.parametrize(
    ("backends", "device"),
    [
        ("cpu:gloo,cuda:gloo", "cpu"),
        ("cuda:nccl", "cuda"),
        ("cuda:nccl,cpu:gloo", "cpu"),
        ("xpu:xccl", "xpu"),
    ],
)
def test_processes_exchange_where_their_group_can(backends, device):
    assert numerics._exchanged_on(backends) == device


def test_processes_that_exchange_get_arrays_of_the_cpu(monkeypatch):
    """A group of one process, which is asked as if it were several."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        monkeypatch.setattr(numerics, "_processes", lambda: 2)
        monkeypatch.setattr(torch.distributed, "all_gather", lambda rows, x: rows[1].copy_(x))
        found = numerics.all_gather(np.arange(3, dtype="int32"))
    finally:
        torch.distributed.destroy_process_group()
    np.testing.assert_array_equal(found[1], [0, 1, 2])
    assert found[1].dtype == torch.int32 and found[1].device.type == "cpu"
