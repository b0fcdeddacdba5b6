"""What was zero stays zero: through training with any optimizer, saving, loading, and in codes."""

import keras
import numpy as np
import pytest
from conftest import EAGER, outputs
from keras import layers as L

import keras_alt
from keras_alt.integer import read
from keras_alt.masks import kernel_masks
from keras_alt.sparsity import m_by_n_mask, magnitude_mask

LOSS = "mse"
OPTIMIZERS = {
    "alt": lambda: keras_alt.optimizers.alt(weights=1e-2, thresholds=1e-2),
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adamw": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "lion": lambda: keras.optimizers.Lion(1e-2),
}


def pruned():
    """A network with half the weights of `first` zero, and two of every four of `second`."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 4)),
            L.Conv2D(8, 2, use_bias=False, name="first"),
            L.BatchNormalization(),
            L.ReLU(),
            L.Conv2D(4, 2, name="second", activation="relu"),
            L.Flatten(),
            L.Dense(2, name="dense"),
        ]
    )
    first, second = model.get_layer("first"), model.get_layer("second")
    values = {layer: keras.ops.convert_to_numpy(layer.kernel) for layer in (first, second)}
    first.kernel.assign(values[first] * magnitude_mask(values[first], 0.5))
    second.kernel.assign(values[second] * m_by_n_mask(values[second], 2, 4))
    return model


def quantized(model, masks, **config):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 4, 4, 4)).astype("float32")
    q = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(**config), masks=masks)
    keras_alt.calibrate(q, x, weights=keras_alt.calibration.three_sigma, verbose=False)
    return q, x, rng.normal(size=(16, 2)).astype("float32")


def codes(model):
    """Return the integer kernels of the layers by name."""
    return {
        step.layer: step.attributes["kernel"].codes
        for step in read(model).program.steps
        if "kernel" in step.attributes
    }


def nonzero_where_masked(model, masks):
    found = codes(model)
    return sum(np.count_nonzero(found[n.split("/")[0]][~mask]) for n, mask in masks.items())


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.99, 1.0])
def test_a_magnitude_mask_keeps_the_largest(sparsity, rng):
    kernel = rng.normal(size=(3, 3, 5, 7))
    mask = magnitude_mask(kernel, sparsity)
    assert mask.sum() == max(1, round(kernel.size * (1 - sparsity)))
    assert mask.all() or np.abs(kernel[~mask]).max() < np.abs(kernel[mask]).min()


@pytest.mark.parametrize("shape", [(8, 5), (7, 5), (3, 2, 8, 5), (3, 6, 2)])
@pytest.mark.parametrize(("m", "n"), [(2, 4), (1, 4), (1, 2)])
def test_an_m_by_n_mask_keeps_the_largest_of_every_n_input_channels(shape, m, n, rng):
    kernel = rng.normal(size=shape)
    mask = m_by_n_mask(kernel, m, n)
    rows = np.moveaxis(kernel, -2, -1).reshape(-1, shape[-2])
    kept = np.moveaxis(mask, -2, -1).reshape(-1, shape[-2])
    for start in range(0, shape[-2], n):
        values, chosen = np.abs(rows[:, start : start + n]), kept[:, start : start + n]
        assert (chosen.sum(1) == min(n - m, values.shape[1])).all()
        hidden = np.where(chosen, -np.inf, values).max(1)
        assert (np.where(chosen, values, np.inf).min(1) > hidden).all()


def test_masks_keep_both_kinds_of_sparsity_in_the_codes_and_nothing_else_does():
    model = pruned()
    masks = keras_alt.sparsity_masks(model)
    assert {name: mask.mean() for name, mask in masks.items()} == {
        "first/kernel": 0.5,
        "second/kernel": 0.5,
    }
    for given in (masks, None):
        q, x, y = quantized(model, given)
        q.compile(OPTIMIZERS["alt"](), LOSS, run_eagerly=EAGER)
        q.fit(x, y, batch_size=4, epochs=2, verbose=0)
        if given is None:
            assert nonzero_where_masked(q, masks) > 50
        else:
            assert nonzero_where_masked(q, masks) == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_optimizer_moves_a_masked_code(optimizer):
    model = pruned()
    masks = keras_alt.sparsity_masks(model)
    q, x, y = quantized(model, masks, batch_norm="train" if optimizer == "sgd" else "fold")
    before = {name: q.get_layer(name).get_weights()[0] for name in ("first", "second")}
    q.compile(OPTIMIZERS[optimizer](), LOSS, run_eagerly=keras.backend.backend() != "jax")
    q.fit(x, y, batch_size=8, verbose=0)
    assert all((q.get_layer(n).get_weights()[0] != v).any() for n, v in before.items())
    for quantizer, values in (c for n in before for c in q.get_layer(n).constants()):
        name = quantizer.path.split("/")[-2]
        values = keras.ops.convert_to_numpy(quantizer(values))
        assert not np.any(values[~masks[f"{name}/kernel"]])


@pytest.mark.backend
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_masks_come_back_from_a_file(suffix, tmp_path):
    model = pruned()
    masks = keras_alt.sparsity_masks(model)
    q, x, y = quantized(model, masks)
    q.save(tmp_path / f"model{suffix}")
    loaded = keras.models.load_model(tmp_path / f"model{suffix}")
    np.testing.assert_array_equal(outputs(loaded, x)[0], outputs(q, x)[0])
    assert_same_masks(kernel_masks(loaded), masks)
    loaded.compile(OPTIMIZERS["lion"](), LOSS, run_eagerly=keras.backend.backend() != "jax")
    loaded.fit(x, y, verbose=0)
    assert nonzero_where_masked(loaded, masks) == 0


def test_masks_follow_a_model_to_another_target():
    model = pruned()
    masks = keras_alt.sparsity_masks(model)
    q, x, _ = quantized(model, masks)
    assert_same_masks(kernel_masks(keras_alt.retarget(q, "litert")), masks)


def test_a_kernel_that_two_batch_norms_read_is_masked_in_both_layers():
    conv = L.Conv2D(8, 2, use_bias=False, name="conv")
    inputs = keras.Input((4, 4, 4)), keras.Input((4, 4, 4))
    branches = [L.BatchNormalization(name=n)(conv(x)) for n, x in zip("ab", inputs, strict=True)]
    model = keras.Model(inputs, L.Add()(branches))
    kernel = keras.ops.convert_to_numpy(conv.kernel)
    conv.kernel.assign(kernel * magnitude_mask(kernel, 0.5))
    masks = keras_alt.sparsity_masks(model)

    found = kernel_masks(keras_alt.quantize_model(model, masks=masks))
    assert len(found) == 2
    for mask in found.values():
        np.testing.assert_array_equal(mask, masks["conv/kernel"])


def test_masks_are_named_as_quantize_model_names_layers():
    separable = L.SeparableConv2D(4, 2, name="conv")
    inner = keras.Sequential([keras.Input((4, 4, 4)), separable])
    model = keras.Sequential([keras.Input((4, 4, 4)), inner, L.Conv2D(2, 1)], name="outer")
    for kernel in (separable.depthwise_kernel, separable.pointwise_kernel):
        values = keras.ops.convert_to_numpy(kernel)
        kernel.assign(values * magnitude_mask(values, 0.5))
    masks = keras_alt.sparsity_masks(model)
    assert set(masks) == {"conv_depthwise/kernel", "conv/kernel"}
    assert_same_masks(kernel_masks(keras_alt.quantize_model(model, masks=masks)), masks)


def test_a_hand_written_separable_layer_has_both_masks(rng):
    layer = keras_alt.layers.QuantSeparableConv2D(4, 2, sparse=True)
    layer.build((None, 4, 4, 4))
    for role, kernel in layer.kernels().items():
        layer.set_mask(role, rng.random(kernel.shape) < 0.5)
    for quantizer, values in layer.constants():
        mask = keras.ops.convert_to_numpy(getattr(layer, f"{quantizer.role}_mask").mask.value)
        assert not np.any(keras.ops.convert_to_numpy(values)[~mask])
    model = keras.Sequential([keras.Input((4, 4, 4)), layer])
    pointwise = keras.ops.convert_to_numpy(layer.pointwise_kernel_mask.mask.value)
    assert_same_masks(kernel_masks(model), {f"{layer.name}/kernel": pointwise})


def test_a_mask_that_fits_nothing_is_an_error():
    model = pruned()
    with pytest.raises(ValueError, match="nowhere/kernel"):
        keras_alt.quantize_model(model, masks={"nowhere/kernel": np.ones((2, 2), bool)})
    with pytest.raises(ValueError, match=r"first/kernel.*\(2, 2, 4, 8\)"):
        keras_alt.quantize_model(model, masks={"first/kernel": np.ones((2, 2), bool)})


def assert_same_masks(received, expected):
    assert set(received) == set(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(received[name], mask)
