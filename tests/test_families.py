"""The networks of `examples/networks` are the published ones and go all the way to integers."""

import families
import keras
import numpy as np
import pytest
from conftest import pairs
from darknet19 import convolution, darknet19
from inception_v1 import inception_v1
from inception_v2 import inception_v2
from inception_v4 import inception_v4
from networks import randomize
from resnet_v1_5 import resnet50_v1_5, resnet101_v1_5, resnet152_v1_5
from yolo_v2 import space_to_depth, yolo_v2
from yolo_v2_tiny import yolo_v2_tiny

import keras_alt

pytestmark = pytest.mark.tensorflow_only


def trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def with_factors(model):
    """Count the parameters as if each batch norm had a factor for each channel."""
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    return trainable(model) + sum(norm.moving_mean.shape[0] for norm in norms)


def headless(model):
    return model.count_params() - model.get_layer("predictions").count_params()


def total(model):
    return model.count_params()


def of_voc(input_shape):
    return yolo_v2_tiny(input_shape, classes=20, head=1024)


@pytest.mark.parametrize(
    ("build", "pixels", "published"),
    [
        (inception_v1, 32, {headless: 5_607_184}),
        pytest.param(inception_v2, 32, {headless: 10_173_112}, marks=pytest.mark.full),
        (darknet19, 32, {trainable: 20_842_376}),
        pytest.param(
            *(yolo_v2, 64, {total: 50_983_561, trainable: 50_962_889}), marks=pytest.mark.full
        ),
        (yolo_v2_tiny, 32, {total: 11_237_145}),
        pytest.param(
            *(of_voc, 32, {total: 15_867_885, trainable: 15_861_773}), marks=pytest.mark.full
        ),
        (resnet50_v1_5, 32, {trainable: 25_557_032}),
        pytest.param(resnet101_v1_5, 32, {trainable: 44_549_160}, marks=pytest.mark.full),
        pytest.param(resnet152_v1_5, 32, {trainable: 60_192_808}, marks=pytest.mark.full),
        pytest.param(inception_v4, 75, {with_factors: 42_679_816}, marks=pytest.mark.full),
    ],
)
def test_a_network_has_the_published_number_of_parameters(build, pixels, published):
    model = build(input_shape=(pixels, pixels, 3))

    assert {count: count(model) for count in published} == published


def test_space_to_depth_puts_the_cells_of_a_square_behind_one_another(rng):
    x = rng.normal(size=(2, 6, 4, 5)).astype("float32")
    inputs = keras.Input((6, 4, 5))

    y = keras.Model(inputs, space_to_depth(inputs, "reorganized"))(x)

    cells = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    assert np.array_equal(y, np.concatenate(cells, axis=-1))


def small_detector():
    """Return YOLOv2 with few layers and channels: leaky ReLUs, pool, passthrough and concat."""
    inputs = keras.Input((12, 8, 3))
    fine = convolution(inputs, "conv1", 4, 3)
    coarse = convolution(keras.layers.MaxPooling2D(2)(fine), "conv2", 6, 3)
    fine = space_to_depth(convolution(fine, "conv3", 2, 1), "passthrough")
    x = keras.layers.Concatenate(name="concat")([fine, coarse])
    return keras.Model(inputs, keras.layers.Conv2D(7, 1, name="predictions")(x))


def weight_bits(quantized):
    return {
        name.split("/")[0]: quantizer.format.bits
        for name, quantizer in keras_alt.quantizers(quantized).items()
        if name.endswith("kernel")
    }


ENGINES = {"paper": "integer", "litert": "litert", "onnx": "onnxruntime"}


@pytest.mark.parametrize(("target", "bits"), pairs(ENGINES, [8, 4]))
def test_a_detector_with_a_passthrough_is_exact(target, bits, rng):
    model = small_detector()
    randomize(model)
    images = rng.normal(size=(4, 12, 8, 3)).astype("float32")
    q = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target, weights=bits))
    keras_alt.calibrate(q, images, verbose=False)

    result = keras_alt.verify(q, images, engine=ENGINES[target], verbose=False)

    assert weight_bits(q) == {"conv1": 8, "conv2": bits, "conv3": bits, "predictions": 8}
    assert sum(row.total for row in result.layers)
    assert sum(row.mismatches for row in result.layers) == 0


def test_a_separable_convolution_has_its_depthwise_kernel_first():
    """As in Inception v2."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.SeparableConv2D(8, 7, 2, "same", depth_multiplier=8, name="conv1")(inputs)
    x = keras.layers.Conv2D(4, 1, name="conv2")(keras.layers.ReLU()(x))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, name="predictions")(x))

    q = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(weights=4))

    assert weight_bits(q) == {"conv1_depthwise": 8, "conv1": 4, "conv2": 4, "predictions": 8}


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("YOLOv2-tiny", "static8"),
        ("YOLOv2", "static8"),
        ("DarkNet19", "retrain4"),
        ("InceptionV2", "retrain4"),
    ],
)
def test_a_network_goes_all_the_way(name, mode):
    row = families.check(name, mode)

    assert row["codes"]
    assert row["differ"] == 0
    assert row.get("transform", 0) < 1e-5
