"""Kernels whose output channels have scales of their own: the same laws, channel by channel."""

import functools
import json

import keras
import numpy as np
import pytest
from conftest import EAGER, assert_same_outputs, gradients, outputs, sample
from exported import assert_exact, assert_refused
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig, fake_quant, integer
from keras_alt.calibration import maximum
from keras_alt.calibration.channels import OCTAVES
from keras_alt.layers import QuantDense, QuantSeparableConv2D
from keras_alt.optimizers import ThresholdAdam
from keras_alt.quantizer import quantizers

INT8 = FixedPoint(8)
# Shapes of a tensor and of its thresholds.
SHAPES = {
    "dense": ((5, 4), (1, 4)),
    "convolution": ((3, 3, 2, 4), (1, 1, 1, 4)),
    "depthwise": ((3, 3, 2, 3), (1, 1, 2, 3)),
    "transposed": ((2, 2, 3, 2), (1, 1, 3, 1)),
    "one channel": ((3, 1), (1, 1)),
    "bias": ((6,), (6,)),
}


def network():
    """Return kernels of every layout, their channels up to six octaves apart."""
    rng = np.random.default_rng(1)
    inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(4, 3, padding="same", activation="relu6", name="conv")(inputs)
    x = L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="depthwise")(x)
    x = L.Conv2D(4, 1, groups=2, name="grouped")(x)
    x = L.Conv2DTranspose(3, 2, strides=2, activation="relu", name="transposed")(x)
    x = L.Conv2D(4, 2, use_bias=False, activation="relu", name="unbiased")(x)
    x = L.Dense(5, activation="relu", name="mixed")(x)
    model = keras.Model(inputs, L.Dense(3, name="head")(L.GlobalAveragePooling2D()(x)))
    for layer in model.layers:
        if layer.weights:
            kernel = layer.kernel
            axes = {"depthwise": (-2, -1), "transposed": (-2,)}.get(layer.name, (-1,))
            channels = [1] * len(kernel.shape)
            for axis in axes:
                channels[axis] = kernel.shape[axis]
            spread = 2.0 ** rng.integers(-6, 1, channels)
            kernel.assign(rng.normal(0, 0.5, kernel.shape) * spread)
        if getattr(layer, "use_bias", False):
            layer.bias.assign(rng.normal(0.1, 0.3, layer.bias.shape))
    return model


def quantized(target="litert", model=None, calibrated=True, **settings):
    """Return a quantized network and inputs for it."""
    model = network() if model is None else model
    x = sample(model, np.random.default_rng(2), 16)
    config = QuantizeConfig(target=target, **{"weight_scales": "channel", **settings})
    result = keras_alt.quantize_model(model, config)
    if calibrated:
        keras_alt.calibrate(result, x, activations=maximum, verbose=False)
    return result, x


prepared = functools.cache(quantized)  # for tests that leave it as it is


def kernels(model):
    return {name: q for name, q in quantizers(model).items() if q.role == "kernel"}


def drawn(shape, rng):
    return rng.normal(0, 1, shape).astype("float32")


@pytest.mark.backend
@pytest.mark.check
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("x, thresholds", SHAPES.values(), ids=SHAPES)
def test_equal_thresholds_are_one_threshold(x, thresholds, training, rng):
    x = drawn(x, rng)
    f = lambda v, t: fake_quant(v, t, INT8, training=training)  # noqa: E731
    t = np.full(thresholds, -0.7, "float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(f(x, t)), ops.convert_to_numpy(f(x, np.float32(-0.7)))
    )
    (dx, dt), (dx_of_one, dt_of_one) = gradients(f, [x, t]), gradients(f, [x, t.flat[0]])
    np.testing.assert_array_equal(dx, dx_of_one)
    assert dt.shape == thresholds
    np.testing.assert_allclose(dt.sum(), dt_of_one, rtol=1e-5, atol=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("x, thresholds", SHAPES.values(), ids=SHAPES)
def test_each_channel_is_quantized_alone(x, thresholds, compiled, rng):
    x, t = drawn(x, rng), rng.uniform(-3, 1, thresholds).astype("float32")
    f = lambda v, t: fake_quant(v, t, INT8)  # noqa: E731
    y, (dx, dt) = ops.convert_to_numpy(f(x, t)), gradients(f, [x, t], compiled=compiled)
    for position in np.ndindex(thresholds):
        one = tuple(i if n > 1 else slice(None) for i, n in zip(position, thresholds, strict=True))
        np.testing.assert_array_equal(y[one], ops.convert_to_numpy(f(x[one], t[position])))
        dx_alone, dt_alone = gradients(f, [np.asarray(x[one]), t[position]])
        np.testing.assert_array_equal(dx[one], dx_alone)
        np.testing.assert_allclose(dt[position], dt_alone, rtol=1e-5, atol=1e-6)


@pytest.mark.backend
def test_thresholds_of_channels_train_as_single_ones(rng):
    values, steps = drawn((1, 3), rng), drawn((4, 1, 3), rng)
    steps[1, 0, 1] = 0.0  # stays where it is
    together, alone = [keras.Variable(values)], [keras.Variable(v) for v in values[0]]
    first, second = (ThresholdAdam(0.1) for _ in range(2))
    scalar = keras.Variable(0.5)
    first.build([*together, scalar])
    second.build([*alone, scalar])
    for step in steps:
        first.apply([ops.convert_to_tensor(step)], together)
        second.apply([ops.convert_to_tensor(g) for g in step[0]], alone)
    trained = [ops.convert_to_numpy(variable) for variable in alone]
    np.testing.assert_allclose(ops.convert_to_numpy(together[0])[0], trained, rtol=1e-6)
    assert first.entries(scalar) == slice(3, 4)


def test_each_channel_is_calibrated_alone():
    model, _ = prepared()
    by_tensor, _ = prepared(weight_scales="tensor")
    assert len(kernels(model)) == 7
    for name, quantizer in kernels(model).items():
        kernel = ops.convert_to_numpy(model.get_layer(name.partition("/")[0]).kernel)
        axes = tuple(a for a, n in enumerate(quantizer.threshold.shape) if n == 1)
        largest = np.abs(kernel).max(axis=axes, keepdims=True)
        np.testing.assert_allclose(quantizer.threshold, largest, rtol=1e-6)
        # So no channel is rounded more coarsely than with one scale.
        one = quantizers(by_tensor)[name].exponent
        assert quantizer.exponent.max() == one
        assert quantizer.exponent.min() < one


def test_channels_of_almost_nothing_do_not_get_grids_of_almost_nothing(rng):
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, name="dense")])
    kernel = drawn((4, 3), rng) * [1.0, 0.0, 1e-22]
    model.set_weights([kernel, np.array([0.5, -0.25, 0.75])])
    model, x = quantized(model=model)
    thresholds = quantizers(model)["dense/kernel"].threshold.ravel()
    assert thresholds[1] == thresholds[0]
    assert thresholds[2] == pytest.approx(thresholds[0] * 2.0**-OCTAVES)
    np.testing.assert_allclose(outputs(model, x)[0][:, 1:], [[-0.25, 0.75]] * 16, atol=0.02)
    assert_exact(model, x, "integer")


@pytest.mark.parametrize("target", ["litert", "onnx", "paper"])
def test_the_integers_are_exact(target):
    assert_exact(*prepared(target), "integer")


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("weights", [8, 4])
def test_litert_files_are_exact(weights):
    pytest.importorskip("ai_edge_litert", reason="the `litert` extra is not installed")
    assert_exact(*prepared("litert", weights=weights), "litert")


@pytest.mark.parametrize("weights", [8, 4])
def test_onnx_files_are_exact(weights):
    pytest.importorskip("onnxruntime", reason="the `onnx` extra is not installed")
    assert_exact(*prepared("onnx", weights=weights), "onnxruntime")


def test_qonnx_files_are_exact():
    pytest.importorskip("qonnx", reason="the `onnx` extra is not installed")
    model, x = prepared("paper")
    assert_exact(model, x[:2], "qonnx")


def test_hls4ml_refuses_by_name_and_says_so_before(tmp_path):
    pytest.importorskip("onnx", reason="the `onnx` extra is not installed")
    model, _ = quantized("hls", model=dense_network())
    told = keras_alt.report(model).refusals["to_hls4ml"]
    assert len(told) == 2 and all("weight_scales='tensor'" in reason for reason in told)
    assert_refused(
        keras_alt.export.to_hls4ml, model, tmp_path, "one type for a kernel.*first", ValueError
    )


def dense_network():
    layers = [L.Dense(4, activation="relu", name="first"), L.Dense(3, name="second")]
    return keras.Sequential([keras.Input((5,)), *layers])


def test_plain_integers_hold_narrow_codes_and_shifts(tmp_path):
    model, x = prepared(weights=4)
    assert keras_alt.export.to_integers(model, tmp_path / "integers")
    contents = json.loads((tmp_path / "integers" / "model.json").read_text())
    assert contents["version"] == 2
    kernel = contents["constants"]["depthwise/kernel"]
    assert kernel["bits"] == 4
    exponents = quantizers(model)["depthwise/kernel"].exponent.ravel()
    np.testing.assert_array_equal(np.ravel(kernel["shifts"]) + kernel["exponent"], exponents)
    by_tensor, _ = prepared(weight_scales="tensor")
    assert keras_alt.export.to_integers(by_tensor, tmp_path / "one")
    text = (tmp_path / "one" / "model.json").read_text()
    assert json.loads(text)["version"] == 1 and '"shifts": [[' not in text


def test_sums_are_as_wide_as_those_of_their_own_channels():
    model, _ = prepared()
    widths = {row.layer: row for row in integer.accumulators(integer.read(model))}
    layer, kernel = model.get_layer("mixed"), quantizers(model)["mixed/kernel"]
    codes = np.rint(ops.convert_to_numpy(layer.kernel) / 2.0**kernel.exponent)
    codes = np.clip(codes, -127, 127)
    grid = quantizers(model)["unbiased_relu/output"]
    steps = 2.0 ** (kernel.exponent.ravel() + grid.exponent)
    bias = np.rint(ops.convert_to_numpy(layer.bias) / steps)
    assert widths["mixed"].worst == (np.abs(codes).sum(axis=0) * 255 + np.abs(bias)).max()


@pytest.mark.backend
@pytest.mark.parametrize("format", ["keras", "h5"])
def test_files_keep_every_threshold(format, tmp_path):
    model, x = quantized()
    quantizers(model)["conv/kernel"].frozen.assign(True)
    path = str(tmp_path / f"model.{format}")
    model.save(path)
    loaded = keras.models.load_model(path)
    assert_same_outputs(model, loaded, x)
    for name, quantizer in kernels(model).items():
        np.testing.assert_array_equal(quantizers(loaded)[name].threshold, quantizer.threshold)
    assert bool(quantizers(loaded)["conv/kernel"].frozen.value)


@pytest.mark.backend
def test_thresholds_train_and_freeze(rng):
    model, x = quantized("paper", model=dense_network())
    before = {name: quantizer.threshold for name, quantizer in kernels(model).items()}
    model.compile(keras_alt.optimizers.alt(1e-3, thresholds=0.05, steps=40), "mse")
    history = keras_alt.callbacks.ThresholdHistory()
    freeze = keras_alt.callbacks.FreezeThresholds(start=0.5)
    y = drawn((16, 3), rng)
    model.fit(x, y, batch_size=4, epochs=10, verbose=0, callbacks=[history, freeze])
    for name, quantizer in kernels(model).items():
        assert (quantizer.threshold != before[name]).all()
        assert bool(quantizer.frozen.value)
        last = [history.history[f"{name}[{i}]"][-1] for i in range(before[name].size)]
        np.testing.assert_allclose(last, np.log2(quantizer.threshold).ravel(), rtol=1e-5)
    assert_exact(model, x, "integer")


@pytest.mark.backend
def test_a_batch_norm_folds_into_channels_while_it_trains(rng):
    inputs = keras.Input((4, 4, 2))
    x = L.BatchNormalization()(L.Conv2D(3, 2, use_bias=False, name="conv")(inputs))
    x = L.BatchNormalization()(L.DepthwiseConv2D(2, depth_multiplier=2, name="depth")(x))
    model, x = quantized(model=keras.Model(inputs, x), batch_norm="train")
    model.compile(keras_alt.optimizers.alt(1e-3, steps=8), "mse", run_eagerly=EAGER)
    y = drawn((16, 2, 2, 6), rng)
    callback = keras_alt.callbacks.FreezeBatchNorm(step=4)
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    assert_exact(model, x, "integer")


def test_pruned_weights_stay_zero(rng):
    model = dense_network()
    mask = rng.random((5, 4)) < 0.5
    config = QuantizeConfig(weight_scales="channel", target="litert")
    model = keras_alt.quantize_model(model, config, masks={"first/kernel": mask})
    x = drawn((16, 5), rng)
    keras_alt.calibrate(model, x, verbose=False)
    model.compile(keras_alt.optimizers.alt(1e-2, steps=8), "mse", run_eagerly=EAGER)
    model.fit(x, drawn((16, 3), rng), batch_size=4, epochs=2, verbose=0)
    (kernel, *_) = integer.read(model).program.steps
    assert not kernel.attributes["kernel"].codes[~mask].any()
    assert_exact(model, x, "integer")


def test_retarget_carries_every_threshold_over():
    model, x = prepared()
    moved = keras_alt.retarget(model, "onnx", calibration_data=x)
    narrow = keras_alt.retarget(model, weights=4, calibration_data=x)
    for name, quantizer in kernels(model).items():
        for other in (moved, narrow):
            np.testing.assert_array_equal(quantizers(other)[name].threshold, quantizer.threshold)
    assert_exact(moved, x, "integer")


def test_retarget_between_scales_calibrates_kernels_anew():
    model, x = quantized("litert", weight_scales="tensor")
    quantizers(model)["conv_relu6/output"].set_threshold(4.0)
    unset = keras_alt.retarget(model, weight_scales="channel")
    assert not any(quantizer.calibrated for quantizer in kernels(unset).values())
    result = keras_alt.retarget(model, weight_scales="channel", calibration_data=x)
    fresh, _ = prepared()
    for name, quantizer in kernels(fresh).items():
        np.testing.assert_array_equal(quantizers(result)[name].threshold, quantizer.threshold)
    assert quantizers(result)["conv_relu6/output"].threshold == 4.0


def test_a_report_shows_the_range_of_the_channels(tmp_path):
    model, x = prepared()
    report = keras_alt.report(model, x)
    row = next(row for row in report.quantizers if row.name == "conv/kernel")
    assert len(row.threshold) == len(row.exponent) == 4
    assert f"2^{min(row.exponent)} .. 2^{max(row.exponent)}" in str(report)
    by_tensor = keras_alt.report(prepared(weight_scales="tensor")[0], x)
    assert row.sqnr_db > next(r for r in by_tensor.quantizers if r.name == row.name).sqnr_db
    report.to_json(tmp_path / "report.json")
    rows = json.loads((tmp_path / "report.json").read_text())["quantizers"]
    assert rows[1]["threshold"] == row.threshold


def test_an_unset_threshold_is_unset_in_every_channel(rng):
    model, _ = quantized(calibrated=False)
    assert all(np.isnan(quantizer.threshold).all() for quantizer in kernels(model).values())
    with pytest.raises(ValueError, match="not known before its threshold is set"):
        _ = quantizers(model)["conv/kernel"].exponent


def test_hand_written_layers_start_at_three_sigma_of_each_channel(rng):
    layer = QuantDense(3, kernel_scales="channel")
    layer.build((None, 4))
    kernel = ops.convert_to_numpy(layer.kernel)
    expected = np.abs(kernel.mean(0)) + 3 * kernel.std(0)
    np.testing.assert_allclose(layer.kernel_quantizer.threshold[0], expected, rtol=1e-5)
    assert QuantDense.from_config(layer.get_config()).kernel_scales == "channel"
    assert "kernel_scales" not in QuantDense(3).get_config()
    separable = QuantSeparableConv2D(3, 2, depth_multiplier=2, kernel_scales="channel")
    model = keras.Sequential([keras.Input((4, 4, 2)), keras_alt.Quantizer(INT8), separable])
    x = drawn((8, 4, 4, 2), rng)
    keras_alt.calibrate(model, x, verbose=False)
    assert separable.depthwise_kernel_quantizer.threshold.shape == (1, 1, 2, 2)
    assert separable.pointwise_kernel_quantizer.threshold.shape == (1, 1, 1, 3)
    assert_exact(model, x, "integer")


def test_other_scales_are_refused():
    with pytest.raises(ValueError, match="Received: weight_scales='row'"):
        QuantizeConfig(weight_scales="row")
    with pytest.raises(ValueError, match="Received: kernel_scales='row'"):
        QuantDense(3, kernel_scales="row")
