"""An argument that says nothing is refused in our words, and none is ignored."""

import keras
import ml_dtypes
import numpy as np
import pytest

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig
from keras_alt.calibration import percentile
from keras_alt.callbacks import FreezeBatchNorm, FreezeOscillating, FreezeThresholds, Prune
from keras_alt.layer_names import listed
from keras_alt.number_checks import real_number, require_numbers, whole_number
from keras_alt.optimizers import alt

X = np.linspace(-1, 1, 16, dtype="float32").reshape(4, 4)


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((4,), name="x")
    dense = keras.layers.Dense(3, name="c1")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(dense))


@pytest.fixture(scope="module")
def q(model):
    quantized = keras_alt.quantize_model(model)
    keras_alt.calibrate(quantized, X, verbose=False)
    return quantized


NUMBERS = {
    "weights": lambda q: alt(weights=np.nan),
    "thresholds": lambda q: alt(thresholds="0.1"),
    "steps": lambda q: alt(steps=True),
    "batch_size": lambda q: alt(batch_size=None),
    "bits": lambda q: FixedPoint(8.0),
    "signed": lambda q: FixedPoint(8, signed=2),
    "narrow": lambda q: FixedPoint.from_config({"bits": 8, "signed": True, "narrow": 1}),
    "step": lambda q: FreezeBatchNorm(0.5),
    "start": lambda q: FreezeThresholds("0.5"),
    "every": lambda q: FreezeThresholds(every=2.5),
    "frequency": lambda q: FreezeOscillating("0.1"),
    "momentum": lambda q: FreezeOscillating(momentum=np.inf),
    "p": lambda q: percentile(None),
    "samples": lambda q: keras_alt.calibrate(q, X, samples=1.5),
    "batch_size ": lambda q: keras_alt.verify(q, X, batch_size=None),
    "sparsity_m_by_n": lambda q: Prune(lambda step: (True, 0.5), sparsity_m_by_n=2),
    "bits ": lambda q: keras_alt.sensitivity(q, X, bits=4),
    "bits  ": lambda q: keras_alt.narrow(q, lambda model, width: None, bits=("6", "4")),
    "batch_size  ": lambda q: keras_alt.compare(q, q, X, batch_size=0.5),
    "allowed_drop": lambda q: keras_alt.compare(q, q, X, [0] * 4, allowed_drop=np.nan),
    "epochs": lambda q: keras_alt.recipes.retrain(q, (X, X), "mse", epochs=None),
    "rate": lambda q: keras_alt.recipes.retrain(q, (X, X), "mse", epochs=1, rate=0),
    "rounding": lambda q: keras_alt.layers.QuantLeakyReLU(rounding="x"),
    "rounding ": lambda q: keras_alt.layers.QuantLeakyReLU(rounding=[]),
    "activation": lambda q: keras_alt.Quantizer(FixedPoint(8), activation=[]),
    "target": lambda q: QuantizeConfig(target=np.array(8)),
    "batch_norm": lambda q: QuantizeConfig(batch_norm=np.array(["fold", "fold"])),
    "weight_scales": lambda q: QuantizeConfig(weight_scales=["tensor"]),
    "engine": lambda q: keras_alt.verify(q, X, engine={}),
    "ema_momentum": lambda q: alt(ema_momentum=(i for i in "ab")),
    "steps ": lambda q: alt(steps=10**400),
    "product_rounding": lambda q: keras_alt.layers.QuantPReLU(product_rounding=None),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_values_are_refused_by_the_name_of_the_argument(name, q):
    name, call = name.strip(), NUMBERS[name]
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        call(q)


KINDS = {
    "config": lambda m: keras_alt.quantize_model(m, {"weights": 4}),
    "overrides": lambda m: QuantizeConfig(overrides=None),
    r"overrides\['c1'\]": lambda m: QuantizeConfig(overrides={"c1": 4}),
    "skip": lambda m: QuantizeConfig(skip=None),
    r"share\[0\]": lambda m: QuantizeConfig(share=("c1", "head")),
    "share": lambda m: QuantizeConfig(share="c1"),
    "share ": lambda m: QuantizeConfig(share=np.array(8)),
    "skip  ": lambda m: QuantizeConfig(skip=np.array(8)),
    "masks": lambda m: keras_alt.quantize_model(m, masks=[np.ones((4, 3))]),
    "role": lambda m: keras_alt.Quantizer(FixedPoint(8), role=None),
    "channel_axes": lambda m: keras_alt.Quantizer(FixedPoint(8), channel_axes=-1),
    "engines": lambda m: keras_alt.verify(
        keras_alt.quantize_model(m, calibration_data=X), X, engines=3
    ),
    "skip ": lambda m: Prune(lambda step: (True, 0.5), skip="c1"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_are_refused_by_the_name_of_the_argument(name, model):
    with pytest.raises(TypeError, match=f"`{name.strip()}` must be .*Received: "):
        KINDS[name](model)


@pytest.mark.parametrize("threshold", [[[], None], 10**400, 2j, [1.0, 2.0]])
def test_thresholds_are_numbers(threshold, q):
    with pytest.raises(ValueError, match="threshold"):
        next(iter(keras_alt.quantizers(q).values())).set_threshold(threshold)


def test_a_rule_must_be_a_function(q):
    for name in ("weights", "activations"):
        with pytest.raises(TypeError, match=f"`{name}` must be a rule.*Received: {name}='maximum'"):
            keras_alt.calibrate(q, X, verbose=False, **{name: "maximum"})


def test_names_must_be_those_of_layers_and_the_nearest_come_first(model, q):
    with pytest.raises(ValueError, match="'hed', layers=head, "):
        keras_alt.quantize_model(model, QuantizeConfig(skip=["hed"]))
    with pytest.raises(ValueError, match="Received: head/kernl; kernels=head/kernel, "):
        keras_alt.quantize_model(model, masks={"head/kernl": np.ones((3, 2), bool)})
    with pytest.raises(ValueError, match="'c1/kernl' in `keep`, quantizers=c1/kernel, "):
        keras_alt.calibrate(q, X, keep=["c1/kernl"], verbose=False)
    other = keras_alt.Quantizer(FixedPoint(8))
    with pytest.raises(ValueError, match="`keep` must hold quantizers of the model"):
        keras_alt.calibrate(q, X, keep=other, verbose=False)
    prune = Prune(lambda step: (True, 0.5), skip=("nope",))
    prune.set_model(model)
    with pytest.raises(ValueError, match="Every glob in `skip`.*Received: 'nope', layers="):
        prune.on_train_begin()
    assert listed(["b", "conv2", "conv1"], "conv1") == "conv1, conv2, b"


@pytest.mark.parametrize("mask", [None, np.ones((4, 2)), np.full((4, 3), "x")])
def test_a_mask_must_fit_its_kernel(mask, model):
    with pytest.raises(ValueError, match=r"mask of 'c1/kernel'.*shape \(4, 3\).*Received: mask"):
        keras_alt.quantize_model(model, masks={"c1/kernel": mask})


DATA = {
    "complex": (X.astype("complex64"), "real numbers.*dtype=complex64"),
    "dates": (X.astype("datetime64[s]"), "real numbers.*dtype=datetime64"),
    "objects": (X.astype(object), "real numbers.*dtype=object"),
    "shape": (X[:, :3], r"shape \(None, 4\).*shape=\(4, 3\)"),
    "key": ({"y": X}, "x. Received: keys y"),
    "nothing": ((), "at least one sample"),
    "a number": ([np.float32(1)], "array of shape"),
}


@pytest.mark.parametrize("case", DATA)
@pytest.mark.parametrize("function", [keras_alt.calibrate, keras_alt.report])
def test_data_must_fit_the_model(function, case, q):
    data, match = DATA[case]
    before = {name: quantizer.threshold for name, quantizer in keras_alt.quantizers(q).items()}
    with pytest.raises(ValueError, match=match):
        function(q, data)
    after = {name: quantizer.threshold for name, quantizer in keras_alt.quantizers(q).items()}
    assert after == before


@pytest.mark.parametrize("case", ["complex", "dates"])
def test_verified_data_must_be_real(case, q):
    with pytest.raises(ValueError, match=DATA[case][1]):
        keras_alt.verify(q, DATA[case][0], verbose=False)


def test_figures_of_data_that_are_not_finite_are_none(q):
    data = np.where(X > 0.9, np.nan, X)
    for function in (keras_alt.report, keras_alt.calibrate):
        with pytest.raises(ValueError, match=r"must be finite.*Received: 1 "):
            function(q, data)


@pytest.mark.parametrize("data", [np.int8(0), ({"input": np.bytes_(b"0.0")},), [[np.float32(1)]]])
def test_data_have_an_axis_of_samples(data, q):
    if isinstance(data, tuple):
        data = ({q.input.name: data[0]["input"]},)
    for function in (keras_alt.calibrate, keras_alt.report):
        with pytest.raises(ValueError, match="expects an array of shape"):
            function(q, data)


@pytest.mark.parametrize("format", [FixedPoint(8), FixedPoint(4, signed=False), FixedPoint(32)])
def test_the_least_threshold_is_the_last_with_a_grid(format, model):
    quantizer = keras_alt.Quantizer(format)
    quantizer.build((4,))
    least = quantizer.least_threshold
    for factor in (1.0, 1.5, 2.0):
        quantizer.set_threshold(least * factor)
        assert np.isfinite(keras.ops.convert_to_numpy(quantizer(X))).all()
    for refused in (least * 0.99, 1e-45):
        with pytest.raises(ValueError, match="must be at least .*Received: threshold="):
            quantizer.set_threshold(refused)
        with pytest.raises(ValueError, match="must be at least .*Received: threshold="):
            keras_alt.Quantizer(format, initial_threshold=refused)
    for refused in (3.5e38, 1e300):
        with pytest.raises(ValueError, match="must be at most .*Received: threshold="):
            quantizer.set_threshold(refused)
        with pytest.raises(ValueError, match="must be at most .*Received: threshold="):
            keras_alt.Quantizer(format, initial_threshold=refused)
    for refused in (None, "0.5", -1.0, [1.0, np.nan], np.nan):
        with pytest.raises(ValueError, match="Received: threshold"):
            quantizer.set_threshold(refused)


@pytest.mark.parametrize("scales", ["tensor", "channel"])
def test_a_kernel_of_the_least_numbers_is_one_of_zeros(scales, model):
    model = keras.models.clone_model(model)
    model.get_layer("c1").kernel.assign(np.full((4, 3), 1e-40))
    q = keras_alt.quantize_model(model, QuantizeConfig(weight_scales=scales))
    keras_alt.calibrate(q, X, verbose=False)
    assert np.isfinite(keras.ops.convert_to_numpy(q(X))).all()
    assert keras_alt.verify(q, X, verbose=False)


def test_numbers_are_those_of_any_package():
    assert FixedPoint(8, signed=np.float32(-1) < 0).signed is True
    assert whole_number("n", np.int64(3)) == 3
    assert real_number("r", np.float32(0.5)) == 0.5
    for value in (True, np.True_, None, "1", 1.5, 0, 3j, np.ones(1)):
        with pytest.raises(ValueError, match="`n` must be a positive integer. Received: n="):
            whole_number("n", value)
    for dtype in ("bool", "int8", "float16", ml_dtypes.bfloat16):
        require_numbers(np.zeros(1, dtype), "Input 'x'")
