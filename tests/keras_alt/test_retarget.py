"""A model moved to another target is the one that the target gives; and back, the same."""

import functools
from dataclasses import replace

import keras
import models
import numpy as np
import pytest
from conftest import assert_same_outputs, outputs, randomize, sample
from keras import layers as L

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig, Quantizer
from keras_alt.quantizer import quantizers
from keras_alt.record import record_of


@functools.cache  # quantizing leaves it as it is
def varied():
    """Every kind of layer that a configuration can name, under names of its own."""
    x = inputs = keras.Input((6, 6, 3), name="image")
    x = L.Rescaling(2.0, name="scale")(x)
    x = L.ReLU(name="relu")(L.Conv2D(4, 3, padding="same", name="conv")(x))
    y = L.ReLU(6.0, name="relu6")(L.Conv2D(4, 3, padding="same", name="inner")(x))
    x = L.Add(name="add")([x, L.Conv2D(4, 3, padding="same", name="linear")(y)])
    x = L.MaxPooling2D(2, name="max")(L.ReLU(name="joined")(x))
    y = L.LeakyReLU(negative_slope=0.1, name="leaky")(L.Conv2D(4, 2, name="sloped")(x))
    z = L.ReLU(name="branch")(L.Conv2D(4, 2, name="other")(x))
    x = L.Concatenate(name="concat")([L.AveragePooling2D(2, 1, name="average")(x), y, z])
    x = L.ReLU(name="last")(L.Conv2D(4, 1, name="narrow")(x))
    x = L.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, L.Dense(3, activation="softmax", name="head")(x))


CONFIGS = {
    "activations": {"activations": 4},
    "weights": {"weights": 4, "first_and_last_weights": 6},
    "biases and sums": {"biases": 24, "accumulators": 20},
    "float biases": {"biases": None},
    "float sums": {"accumulators": None},
    "weights only": {"activations": None, "inputs": None},
    "activations only": {"weights": None, "first_and_last_weights": None},
    "one activation only": {"activations": None, "overrides": {"joined": {"activations": 8}}},
    "float inputs": {"inputs": None},
    "wide inputs": {"inputs": 16},
    "overrides": {
        "overrides": {
            "relu6": {"activations": 5},
            "linear": {"activations": 5, "weights": 3},
            "other": {"accumulators": 20, "biases": 20},
            "l*": {"activations": None},
        }
    },
    "without most activations": {"skip": ("relu*", "leaky", "last")},
    "without merges": {"skip": ("add", "concat")},
    "without pools": {"skip": ("max", "average", "mean")},
    "without kernels": {"skip": ("linear", "head")},
    "shared": {"share": (("relu6", "branch", "last"), ("conv*", "linear", "narrow"))},
}


def quantized(model, config, target):
    """Return a quantized model with a different threshold everywhere."""
    q = keras_alt.quantize_model(model, replace(config, target=target))
    for i, quantizer in enumerate(quantizers(q).values()):
        quantizer.set_threshold(2.0 ** (0.37 * i % 3))
    return q


def formats(model):
    return {name: str(quantizer.format) for name, quantizer in quantizers(model).items()}


def assert_thresholds_kept(old, new):
    known = quantizers(old)
    for name, quantizer in quantizers(new).items():
        if name in known:
            assert quantizer.threshold == known[name].threshold, name


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request):
    return QuantizeConfig(**request.param)


@pytest.fixture(scope="module")
def paper(config):
    return quantized(varied(), config, "paper")


def test_the_quantizers_are_those_of_quantizing_for_the_target(paper, config):
    target = "onnx" if config.inputs == 16 else "litert"  # LiteRT stores 8 bits
    moved = keras_alt.retarget(paper, target)
    assert formats(moved) == formats(quantized(varied(), config, target))
    assert_thresholds_kept(paper, moved)


def test_to_its_own_target_nothing_changes(paper, rng):
    same = keras_alt.retarget(paper, "paper")
    assert formats(same) == formats(paper)
    assert_same_outputs(paper, same, sample(paper, rng))


@pytest.mark.parametrize(
    "name",
    [
        "overrides",
        *(
            pytest.param(name, marks=pytest.mark.full)
            for name in ("activations", "biases and sums", "without merges", "without pools")
        ),
    ],
)
def test_targets_with_the_same_thresholds_are_left_and_entered_again(name, rng):
    for here, there in (("paper", "hls"), ("onnx", "litert")):
        q = quantized(varied(), QuantizeConfig(**CONFIGS[name]), here)
        back = keras_alt.retarget(keras_alt.retarget(q, there), here)
        assert formats(back) == formats(q)
        assert_same_outputs(q, back, sample(q, rng))


def test_a_model_from_a_file_is_moved_alike(tmp_path, rng):
    q = quantized(varied(), QuantizeConfig(**CONFIGS["overrides"]), "onnx")
    q.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    first, second = (keras_alt.retarget(model, "hls") for model in (q, loaded))
    assert formats(first) == formats(second)
    for a, b in zip(quantizers(first).values(), quantizers(second).values(), strict=True):
        np.testing.assert_equal(a.threshold, b.threshold)


def test_a_layer_that_is_called_twice_stays_one(rng):
    inputs = keras.Input((4,))
    dense, relu, leaky = L.Dense(4), L.ReLU(name="relu"), L.LeakyReLU(name="leaky")
    x = leaky(dense(leaky(dense(relu(dense(relu(dense(inputs))))))))
    q = quantized(keras.Model(inputs, x), QuantizeConfig(), "paper")
    assert_same_outputs(q, keras_alt.retarget(q, "paper"), sample(q, rng))
    assert {"relu/output", "leaky/output"} <= set(formats(keras_alt.retarget(q, "litert")))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(models.residual, marks=pytest.mark.full),
        pytest.param(models.inverted_residual, marks=pytest.mark.full),
        models.inception,
        models.leaky,
    ],
    ids=lambda m: m.__name__,
)
def test_there_and_back(make, rng):
    model = randomize(make(), rng)
    x = sample(model, rng)
    paper = keras_alt.quantize_model(model, calibration_data=x)

    litert = keras_alt.retarget(paper, "litert")

    assert_thresholds_kept(paper, litert)
    assert not any(name.endswith("/accumulator") for name in quantizers(litert))
    for a, b in zip(outputs(paper, x), outputs(litert, x), strict=True):
        assert np.abs(a - b).max() < 0.2 * np.abs(a).max()
    assert_same_outputs(keras_alt.retarget(litert, "paper", calibration_data=x), paper, x)


def test_what_cannot_be_moved():
    with pytest.raises(ValueError, match="Received: target='gpu'"):
        keras_alt.retarget(keras_alt.quantize_model(models.residual()), "gpu")
    trained = keras_alt.quantize_model(models.residual(), QuantizeConfig(batch_norm="train"))
    with pytest.raises(NotImplementedError, match="batch_norm='fold'"):
        keras_alt.retarget(trained, "litert")
    written = keras.Sequential(
        [keras.Input((6, 6, 3)), keras_alt.layers.QuantSeparableConv2D(4, 3)]
    )
    with pytest.raises(ValueError, match="Received: model 'sequential' without a configuration"):
        keras_alt.retarget(written, "litert")
    with pytest.raises(TypeError, match="Received: bits"):
        keras_alt.retarget(keras_alt.quantize_model(models.residual()), bits=4)


def test_a_merge_of_a_float_operand_is_moved():
    inputs = [keras.Input((4,), name=name) for name in "ab"]
    model = keras.Model(inputs, L.Dense(3)(L.Add()([L.Dense(4)(inputs[0]), inputs[1]])))
    for here, there in (("paper", "litert"), ("litert", "paper")):
        q = quantized(model, QuantizeConfig(inputs=None), here)
        expected = quantized(model, QuantizeConfig(inputs=None), there)
        assert formats(keras_alt.retarget(q, there)) == formats(expected)


@pytest.mark.parametrize("target", [None, "litert"])
def test_fewer_bits_keep_the_thresholds(target, rng):
    q = quantized(varied(), QuantizeConfig(), "paper")
    for quantizer in quantizers(q).values():
        quantizer.frozen.assign(True)
    narrow = keras_alt.retarget(q, target, sample(q, rng), weights=4, first_and_last_weights=5)
    config = QuantizeConfig(weights=4, first_and_last_weights=5)
    assert formats(narrow) == formats(quantized(varied(), config, target or "paper"))
    for name, quantizer in quantizers(narrow).items():
        if not name.startswith("leaky/"):  # LiteRT has a width of its own there
            assert quantizer.threshold == quantizers(q)[name].threshold, name
        assert not bool(quantizer.frozen.value)


def test_the_configuration_is_in_every_file_and_clone(tmp_path, rng):
    config = QuantizeConfig(**CONFIGS["overrides"], skip=("max",), share=(("relu", "branch"),))
    q = quantized(varied(), config, "onnx")
    record = record_of(q)
    assert record.config == replace(config, target="onnx")
    q.save(tmp_path / "model.keras")
    q.save(tmp_path / "model.h5")
    copies = [
        keras.models.load_model(tmp_path / "model.keras"),
        keras.models.load_model(tmp_path / "model.h5"),
        keras.models.clone_model(q),
    ]
    for copy in copies:
        assert type(copy) is type(q)
        assert record_of(copy) == record
        copy.set_weights(q.get_weights())
        moved = keras_alt.retarget(copy, "paper")
        assert formats(moved) == formats(keras_alt.retarget(q, "paper"))


def two_relus_on_one_tensor():
    inputs = keras.Input((4,))
    x = L.Dense(4)(inputs)
    heads = [L.Dense(2)(L.ReLU(name=name)(x)) for name in ("first", "second")]
    return keras.Model(inputs, L.Concatenate()(heads))


def pool_at_two_sizes():
    inputs, pool = keras.Input((8, 8, 2)), L.AveragePooling2D(2, name="pool")
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(pool(pool(inputs)))))


def skipped_merge():
    inputs = keras.Input((4,))
    merged = L.Add(name="merge")([L.Dense(4)(inputs), inputs])
    return keras.Model(inputs, L.Dense(2)(merged))


SPECIAL = {
    two_relus_on_one_tensor: {"overrides": {"first": {"activations": 2}}},
    pool_at_two_sizes: {},
    skipped_merge: {"skip": {"merge"}},  # a set
    models.shared_layers: {},
    models.nested: {"batch_norm": "train", "skip": ("*_norm*", "*conv*")},
}


@pytest.mark.parametrize("target", ["paper", "onnx"])
@pytest.mark.parametrize("make", SPECIAL, ids=lambda make: make.__name__)
def test_a_model_of_its_own_target_comes_back(make, target, rng):
    q = quantized(randomize(make(), rng), QuantizeConfig(**SPECIAL[make]), target)
    for quantizer in list(quantizers(q).values())[::2]:
        quantizer.frozen.assign(True)
    same = keras_alt.retarget(q)
    assert formats(same) == formats(q)
    assert_thresholds_kept(q, same)
    for name, quantizer in quantizers(same).items():
        assert bool(quantizer.frozen.value) == bool(quantizers(q)[name].frozen.value), name
    assert_same_outputs(q, same, sample(q, rng))
    assert keras_alt.retarget(q, "litert" if target == "paper" else "hls") is not None


def test_a_model_that_was_cut_or_extended_is_refused():
    q = keras_alt.quantize_model(models.nested())
    rectified = Quantizer(FixedPoint(8, signed=False), activation="relu", name="new__output")
    others = [
        keras.Model(q.input, q.layers[3].output),
        keras.Model(q.input, L.Dense(2)(q.output)),
        keras.Model(q.input, keras_alt.layers.QuantDense(2, batch_norm={})(q.output)),
        keras.Model(q.input, rectified(q.output)),
    ]
    for model in others:
        with pytest.raises(NotImplementedError, match="with other layers than when"):
            keras_alt.retarget(model, "litert")
    outer = keras.Sequential([keras.Input((8, 8, 3)), q])
    with pytest.raises(ValueError, match="retarget the inner model"):
        keras_alt.retarget(outer, "litert")


class Named(L.Layer):
    """A layer of the user's with an attribute that records have too."""

    record = "on"

    def call(self, x):
        return x


def test_the_record_is_that_of_a_quantized_layer():
    inputs = keras.Input((4,))
    q = keras_alt.quantize_model(keras.Model(inputs, L.Dense(2)(Named()(inputs))))
    assert formats(keras_alt.retarget(q)) == formats(q)


@pytest.mark.backend
def test_models_share_no_buffers(rng):
    """Keras gives those of JAX away when it trains or predicts."""
    inputs = keras.Input((6, 6, 3))
    x = L.SeparableConv2D(4, 3, name="parts")(inputs)
    x = L.PReLU(shared_axes=[1, 2], name="sloped")(L.BatchNormalization(name="norm")(x))
    model = keras.Model(inputs, L.Dense(2, name="head")(L.Flatten(name="flat")(x)))
    x = rng.normal(size=(4, 6, 6, 3)).astype("float32")
    config = QuantizeConfig(target="litert")
    quantized = keras_alt.quantize_model(model, config, calibration_data=x)
    trained = keras_alt.quantize_model(
        model, QuantizeConfig(batch_norm="train"), calibration_data=x
    )
    again = keras_alt.retarget(quantized, "onnx", calibration_data=x)
    for each in (quantized, trained, again):
        each.compile(keras_alt.optimizers.alt(1e-3), "mse")
        each.fit(x, np.zeros((4, 2)), verbose=0)
    for each in (model, quantized, trained, again):
        assert np.isfinite(each.predict(x, verbose=0)).all()
