"""Every float transform keeps the function."""

import keras
import models
import numpy as np
import pytest
from conftest import (
    assert_same_function,
    assert_same_outputs,
    outputs,
    pairs,
    randomize,
    sample,
)
from keras import layers as L
from keras import ops

from keras_alt import QuantizeConfig
from keras_alt.layers import Matmul
from keras_alt.operators import is_operator
from keras_alt.transforms import (
    CANONICAL,
    absorb_zero_padding,
    average_pool_to_depthwise,
    average_pool_to_mean,
    canonical,
    channel_scale_to_batch_norm,
    collapse_concat,
    einsum_to_dense,
    expand_attention,
    fold_batch_norm,
    inline,
    mean_to_average_pool,
    operators_to_layers,
    products_to_matmul,
    splice_identity,
    split_merge,
)
from keras_alt.transforms.batch_norm_to_depthwise import affine

pytestmark = pytest.mark.check


def types(model):
    return [type(layer) for layer in model.layers]


@pytest.mark.parametrize(
    "transform",
    [
        *CANONICAL[1:],  # `inline` copies the model in any case
        fold_batch_norm,
        mean_to_average_pool,
        average_pool_to_depthwise,
        average_pool_to_mean,
    ],
    ids=lambda transform: transform.__name__,
)
def test_a_transform_without_work_returns_its_model(transform):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, L.ReLU()(L.Conv2D(4, 3)(inputs)))
    assert transform(model) is model


@pytest.mark.backend
@pytest.mark.parametrize(("make", "target"), pairs(models.FUNCTIONAL, ["paper", "litert"]))
def test_the_canonical_model_is_the_same_function(make, target, rng):
    model = randomize(make(), rng)

    result = canonical(model, QuantizeConfig(target=target))

    assert_same_function(model, result, rng)
    assert not any(isinstance(layer, keras.Model) for layer in result.layers)
    again = result
    for transform in CANONICAL:
        again = transform(again)
    assert [layer.name for layer in again.layers] == [layer.name for layer in result.layers]


def test_a_subclassed_model_is_traced_and_folded(rng):
    model = randomize(models.subclassed(), rng)
    x = rng.normal(size=(3, 8, 8, 3)).astype("float32")

    result = canonical(model, QuantizeConfig())

    assert L.BatchNormalization not in types(result)
    np.testing.assert_allclose(outputs(model, x)[0], outputs(result, x)[0], atol=1e-5)


def test_inlining_copies_layers_and_keeps_sharing(rng):
    model = models.siamese()

    flat = inline(model)

    assert sum(layer.name.startswith("conv") for layer in flat.layers) == 1
    before = flat.get_weights()[0].copy()
    kernel = model.get_layer("tower").layers[0].kernel
    kernel.assign_add(keras.ops.ones(kernel.shape))
    np.testing.assert_array_equal(flat.get_weights()[0], before)


@pytest.mark.parametrize("axis", [-1, None])
def test_an_adapted_layer_stays_adapted(axis, rng):
    norm = L.Normalization(axis)
    norm.adapt(rng.normal(3.0, 2.0, (32, 4)))
    model = keras.Sequential([keras.Input((4,)), norm, L.Dense(3)])
    assert_same_outputs(model, inline(model), rng.normal(size=(8, 4)))


@pytest.mark.tensorflow_only
def test_an_adapted_vocabulary_is_kept(rng):
    words = rng.integers(5, 40, (32, 6))
    lookup = L.IntegerLookup(mask_token=0)
    lookup.adapt(words)
    inputs = keras.Input((6,), dtype="int64")
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Embedding(40, 2)(lookup(inputs)))))
    assert_same_outputs(model, inline(model), words)


def test_an_unbuilt_model_is_an_error():
    with pytest.raises(ValueError, match="call it once on data"):
        inline(keras.Sequential([L.Dense(3)]))
    with pytest.raises(ValueError, match="call it once on data"):
        inline(models.Subclassed())


@pytest.mark.backend
@pytest.mark.parametrize(
    "linear",
    [
        lambda: L.Conv2D(4, 3, use_bias=False),
        lambda: L.Conv2D(4, 3, groups=1, bias_initializer="ones"),
        lambda: L.DepthwiseConv2D(3, depth_multiplier=2),
        lambda: L.Conv2DTranspose(4, 3),
        lambda: L.Dense(4),
    ],
)
def test_folding_removes_the_norm_and_keeps_the_function(linear, rng):
    model = keras.Sequential([keras.Input((6, 6, 3)), linear(), L.BatchNormalization(), L.ReLU()])
    model = inline(randomize(model, rng))

    folded = fold_batch_norm(model)

    assert L.BatchNormalization not in types(folded)
    assert len(folded.layers) == len(model.layers) - 1
    assert_same_function(model, folded, rng)


@pytest.mark.backend
def test_folding_values():  # check 51
    norm = L.BatchNormalization(epsilon=1e-3)
    norm.build((None, 1))
    for variable, value in zip(norm.weights, (2.0, 0.5, 1.0, 3.0), strict=True):
        variable.assign([value])
    factor, offset = affine(norm)
    np.testing.assert_allclose([factor[0], factor[0] * 0.7], [1.15450814, 0.80815570], rtol=1e-6)
    np.testing.assert_allclose(offset[0], -0.65450814, rtol=1e-6)


def test_a_norm_without_a_linear_layer_becomes_depthwise(rng):
    model = randomize(models.dense_block(), rng)
    folded = fold_batch_norm(inline(model))
    assert types(folded).count(L.DepthwiseConv2D) == 2
    assert_same_function(model, folded, rng)


@pytest.mark.parametrize("shape", [(5,), (6, 5), (6, 5, 4), (2, 3, 4, 5)], ids=len)
def test_a_norm_of_any_axis_becomes_depthwise(shape, rng):
    inputs = keras.Input(shape)
    axes = range(1, len(shape) + 1)
    model = keras.Model(inputs, [L.BatchNormalization(axis=axis)(inputs) for axis in axes])
    folded = fold_batch_norm(inline(randomize(model, rng)))
    assert L.BatchNormalization not in types(folded)
    assert_same_function(model, folded, rng)


def test_a_norm_over_open_axes_stays_if_no_convolution_reads_them(rng):
    inputs = keras.Input((None, 3, 4, 5))
    model = keras.Model(inputs, L.BatchNormalization()(inputs))
    assert types(fold_batch_norm(inline(model))) == types(model)


def channel_scale(x):
    from keras.src.applications.convnext import LayerScale

    return LayerScale(0.25, x.shape[-1])(x)


@pytest.mark.parametrize(
    "scaled",
    [
        channel_scale,
        lambda x: x * np.array([1.0, 2.0, -3.0]),
        lambda x: x / np.array([[1.0], [2.0], [3.0], [4.0]]),
        lambda x: x + np.array([1.0, 2.0, 3.0]),
        lambda x: ops.subtract(np.array([1.0, 2.0, 3.0]), x),
        L.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 0.0]),
        L.Normalization(axis=1, mean=[0.0, 1.0, 2.0, 3.0], variance=[0.5] * 4, invert=True),
        L.Normalization(axis=None, mean=1.0, variance=4.0),
    ],
    ids=[
        *("LayerScale", "product", "quotient of columns", "sum", "difference"),
        *("normalization", "inverted normalization of columns", "normalization of all"),
    ],
)
def test_factors_and_offsets_of_channels_are_folded(scaled, rng):
    inputs = keras.Input((6, 6, 3))
    x = scaled(L.Conv2D(3, 3, use_bias=False)(inputs))
    model = keras.Model(inputs, L.Conv2D(2, 1)(x))
    result = canonical(model, QuantizeConfig(target="litert"))
    kinds = {*types(result)} - {keras.layers.InputLayer}
    assert kinds <= {L.Conv2D, L.DepthwiseConv2D, L.Permute}
    assert_same_function(model, result, rng)


def test_a_vector_that_prepares_the_input_or_shapes_the_output_stays(rng):
    inputs, vector = keras.Input((6, 6, 3)), np.array([1.0, 2.0, 3.0])
    model = keras.Model(inputs, L.Conv2D(3, 3)(inputs * vector) + vector)
    assert channel_scale_to_batch_norm(model) is model


EINSUMS = {
    "abc,cd->abd": ((3, 5), "d"),
    "abc,cde->abde": ((3, 5, 6), "de"),
    "abc,ced->abde": ((3, 5, 6), "e"),
    "abc,bcd->ad": ((5,), "d"),
    "abc,cbd->ad": ((5,), None),
    "abc,bd->adc": ((5, 4), "d"),
    "abc,bde->adce": ((5, 4, 6), "de"),
    "abc,c->ab": ((3,), None),
    "...c,cd->...d": ((3, 5), "d"),
    "ab...,bd->ad...": ((5,), None),
}


@pytest.mark.parametrize("equation", EINSUMS)
def test_a_sum_over_whole_axes_is_a_dense_layer(equation, rng):
    inputs, (shape, bias) = keras.Input((3, 4)), EINSUMS[equation]
    einsum = L.EinsumDense(equation, shape, "relu", bias, bias_initializer="normal", name="sum")
    model = keras.Model(inputs, einsum(inputs))
    result = einsum_to_dense(model)
    assert type(result.get_layer("sum")) is L.Dense
    assert_same_function(model, result, rng)


@pytest.mark.parametrize(
    ("equation", "shape", "bias"), [("abc,bcd->abd", (3, 5), None), ("abc,cd->abd", (3, 5), "bd")]
)
def test_a_sum_that_differs_along_an_axis_stays(equation, shape, bias):
    inputs = keras.Input((3, 4))
    model = keras.Model(inputs, L.EinsumDense(equation, shape, bias_axes=bias)(inputs))
    assert einsum_to_dense(model) is model


def test_a_linear_layer_that_others_read_is_not_folded(rng):
    inputs = keras.Input((6, 6, 3))
    y = L.Conv2D(4, 3, name="conv")(inputs)
    model = randomize(keras.Model(inputs, [y, L.BatchNormalization(name="norm")(y)]), rng)
    folded = fold_batch_norm(model)
    assert isinstance(folded.get_layer("norm"), L.DepthwiseConv2D)
    assert_same_function(model, folded, rng)


class OwnNorm(L.BatchNormalization):
    """It says nothing, so it may compute anything."""


class OwnTraining(L.BatchNormalization):
    """It says that it infers like its parent."""

    infers_like_batch_norm = True


class OwnInference(OwnTraining):
    """What its parent says holds for the parent alone."""


@pytest.mark.parametrize(
    ("kind", "folds"), [(OwnNorm, False), (OwnTraining, True), (OwnInference, False)]
)
def test_a_subclass_is_folded_if_it_says_that_it_infers_like_its_parent(kind, folds):
    model = inline(keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3), kind()]))
    assert (kind not in types(fold_batch_norm(model))) is folds


def test_nested_concats_are_flattened_in_order(rng):
    a, b, c, d = (keras.Input((4, 4, n)) for n in (1, 2, 3, 4))
    inner = L.Concatenate()([b, L.Concatenate()([c, d])])
    model = keras.Model([a, b, c, d], L.Concatenate()([a, inner]))
    flat = collapse_concat(model)
    assert types(flat).count(L.Concatenate) == 1
    assert_same_function(model, flat, rng, relative=0)


def test_a_concat_over_another_axis_stays(rng):
    a = keras.Input((4, 4, 2))
    model = keras.Model(a, L.Concatenate(1)([L.Concatenate(-1)([a, a]), L.Concatenate(-1)([a, a])]))
    assert types(collapse_concat(model)).count(L.Concatenate) == 3


def test_identities_are_spliced(rng):
    a = keras.Input((4,))
    x = L.Activation("linear")(L.Identity()(L.Dense(3)(a)))
    model = keras.Model(a, L.Dense(2)(x))
    assert len(splice_identity(model).layers) == 3


@pytest.mark.backend
def test_operators_become_layers(rng):
    model = models.operators()
    result = operators_to_layers(model)
    assert all(isinstance(operation, L.Layer) for operation in result.operations)
    assert_same_function(model, result, rng)


@pytest.mark.parametrize(
    "operator",
    [
        ops.gelu,
        keras.activations.gelu,
        lambda x: keras.activations.relu(x, max_value=1.0),
        lambda x: keras.activations.relu(x, negative_slope=0.3, max_value=1.0, threshold=0.1),
        lambda x: ops.elu(x, alpha=0.5),
        lambda x: ops.leaky_relu(x, negative_slope=0.3),
    ],
)
def test_operators_keep_their_arguments(operator, rng):
    x = keras.Input((8,))
    model = keras.Model(x, operator(x))
    assert_same_function(model, operators_to_layers(model), rng, relative=1e-7)


def test_operators_of_masked_tensors_stay(rng):
    x = keras.Input((6, 3))
    y = L.Dense(4)(L.Masking()(x))
    model = keras.Model(x, ops.softmax(ops.mean(y, axis=1)))
    values = rng.normal(size=(5, 6, 3)).astype("float32")
    values[:, 3:] = 0
    result = operators_to_layers(inline(model))
    assert_same_outputs(model, result, values)


def test_masks_reach_the_layers_of_a_nested_model(rng):
    inner = keras.Sequential([keras.Input((6, 3)), L.GlobalAveragePooling1D()])
    x = keras.Input((6,), dtype="int32")
    model = keras.Model(x, inner(L.Embedding(9, 3, mask_zero=True)(x)))
    assert_same_outputs(model, inline(model), np.array([[1, 2, 3, 0, 0, 0]]))


@keras.saving.register_keras_serializable("test_transforms")
class Scaled(L.Layer):
    """A layer that has both layers and a weight."""

    def build(self, input_shape):
        self.dense = L.Dense(3)
        self.dense.build(input_shape)
        self.gain = self.add_weight(shape=(3,), initializer="ones", name="gain")

    def call(self, x):
        return self.dense(x) * self.gain


def test_a_layer_with_a_weight_of_its_own_stays_one(rng):
    model = keras.Sequential([keras.Input((4,)), L.Dense(4), Scaled()])
    model.layers[1].gain.assign([2.0, 3.0, 4.0])
    result = inline(model)
    assert types(result)[1:] == [L.Dense, Scaled]
    assert_same_function(model, result, rng)
    result.layers[2].gain.assign([0.0, 0.0, 0.0])
    np.testing.assert_array_equal(model.layers[1].gain.numpy(), [2.0, 3.0, 4.0])


def test_a_weight_that_no_layer_has_is_an_error():
    x = keras.Input((3,))
    offset = keras.Variable(np.ones(3, "float32"), name="offset")
    with pytest.raises(ValueError, match="copied with their layers.*of variable 'offset'"):
        inline(keras.Model(x, L.Dense(3)(x) + offset))


def test_a_layer_keeps_its_name_for_calls_that_are_not_folded(rng):
    x = keras.Input((8, 8, 3))
    conv = L.Conv2D(4, 3, name="conv")
    model = keras.Model(x, [L.BatchNormalization(name="norm")(conv(x)), conv(x)])
    result = fold_batch_norm(inline(randomize(model, rng)))
    assert {layer.name for layer in result.layers[1:]} == {"conv", "conv_norm"}
    assert_same_function(model, result, rng)


@pytest.mark.backend
@pytest.mark.parametrize("keepdims", [True, False])
def test_a_mean_is_a_depthwise_convolution_by_the_reciprocal(keepdims, rng):
    model = keras.Sequential([keras.Input((7, 7, 3)), L.GlobalAveragePooling2D(keepdims=keepdims)])
    result = average_pool_to_depthwise(mean_to_average_pool(inline(model)))
    pool = next(layer for layer in result.layers if isinstance(layer, L.DepthwiseConv2D))
    assert not pool.trainable_variables
    np.testing.assert_array_equal(pool.get_weights()[0], np.float32(1 / 49) * np.ones((7, 7, 3, 1)))
    assert_same_function(model, result, rng)


def test_a_pool_that_divides_by_valid_cells_stays(rng):
    padded = keras.Sequential([keras.Input((7, 7, 3)), L.AveragePooling2D(2, padding="same")])
    aligned = keras.Sequential([keras.Input((8, 8, 3)), L.AveragePooling2D(2, padding="same")])
    assert L.AveragePooling2D in types(average_pool_to_depthwise(inline(padded)))
    result = average_pool_to_depthwise(inline(aligned))
    assert L.AveragePooling2D not in types(result)
    assert_same_function(aligned, result, rng)


def test_a_pool_over_the_whole_image_is_a_mean(rng):
    whole = keras.Sequential([keras.Input((7, 7, 3)), L.AveragePooling2D(7)])
    moving = keras.Sequential(
        [keras.Input((7, 7, 3)), L.AveragePooling2D(7, strides=1, padding="same")]
    )
    result = average_pool_to_mean(inline(whole))
    assert L.AveragePooling2D not in types(result)
    assert_same_function(whole, result, rng)
    assert L.AveragePooling2D in types(average_pool_to_mean(inline(moving)))


@pytest.mark.backend
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("linear", [L.Conv2D, L.DepthwiseConv2D])
def test_padding_by_the_same_rule_is_absorbed(linear, size, rng):
    arguments = (4, 3) if linear is L.Conv2D else (3,)
    around = ((0, 1), (0, 1)) if size % 2 == 0 else 1
    layers = [L.ZeroPadding2D(around), linear(*arguments, strides=2, bias_initializer="ones")]
    model = inline(keras.Sequential([keras.Input((size, size, 3)), *layers]))

    result = absorb_zero_padding(model)

    assert L.ZeroPadding2D not in types(result)
    assert_same_function(model, result, rng)


def test_other_padding_stays():
    inputs = keras.Input((8, 8, 3))
    uneven = L.Conv2D(4, 3, strides=2)(L.ZeroPadding2D(1)(inputs))
    read_twice = L.ZeroPadding2D(((0, 1), (0, 1)))(inputs)
    shared = L.Conv2D(4, 3, strides=2)
    once = shared(L.ZeroPadding2D(((0, 1), (0, 1)))(inputs))
    outputs = [uneven, L.Conv2D(4, 3, strides=2)(read_twice), read_twice, once, shared(inputs)]
    assert types(absorb_zero_padding(keras.Model(inputs, outputs))).count(L.ZeroPadding2D) == 3


def test_the_original_model_is_not_changed(rng):
    model = randomize(models.residual(), rng)
    before, config = model.get_weights(), model.get_config()
    canonical(model, QuantizeConfig())
    assert model.get_config() == config
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def attended(layer, sizes, **options):
    inputs = [keras.Input(size) for size in sizes]
    results = layer(*inputs, **options)
    return keras.Model(inputs, results)


ATTENTION = {
    "self": lambda: attended(lambda x: L.MultiHeadAttention(2, 5, name="mha")(x, x), [(6, 8)]),
    "cross": lambda: attended(
        L.MultiHeadAttention(3, 4, value_dim=5, output_shape=7, use_bias=False, name="mha"),
        [(6, 8), (4, 3), (4, 5)],
    ),
    "scores": lambda: attended(
        L.MultiHeadAttention(1, 4, dropout=0.5, name="mha"),
        [(6, 8), (5, 8)],
        return_attention_scores=True,
    ),
    "groups": lambda: attended(
        L.GroupQueryAttention(4, 6, 2, name="mha"), [(6, 8), (5, 8)], return_attention_scores=True
    ),
}


@pytest.mark.tensorflow_only  # torch fuses attention and rounds otherwise; JAX fails at two of them
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_becomes_dense_layers_and_products(name, rng):
    model = randomize(ATTENTION[name](), rng)

    result = expand_attention(model)

    assert types(result).count(Matmul) == 2
    assert types(result).count(L.Dense) == 4
    assert type(result.get_layer("mha")) is L.Dense
    assert all(layer.name.startswith(("mha", "input", "keras")) for layer in result.layers)
    assert_same_outputs(model, result, sample(model, rng))


def test_calls_of_one_attention_layer_share_its_parts(rng):
    inputs = [keras.Input((6, 8)), keras.Input((5, 8))]
    layer = L.MultiHeadAttention(2, 4)
    model = keras.Model(inputs, [layer(*inputs), layer(*inputs[::-1]), layer(*inputs)])

    result = expand_attention(randomize(model, rng))

    assert len(result.trainable_weights) == len(model.trainable_weights)
    assert_same_outputs(model, result, sample(model, rng))


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        ({}, {"use_causal_mask": True}),
        ({}, {"attention_mask": np.ones((1, 6, 6), bool)}),
        ({"attention_axes": (1, 2)}, {}),
        ({"kernel_constraint": keras.constraints.MaxNorm(1.0)}, {}),
    ],
)
def test_attention_with_masks_or_more_stays(settings, arguments):
    x = keras.Input((6, 3, 8) if "attention_axes" in settings else (6, 8))
    model = keras.Model(x, L.MultiHeadAttention(2, 4, **settings)(x, x, **arguments))
    assert expand_attention(model) is model


def test_attention_on_masked_steps_stays(rng):
    ids = keras.Input((6,), dtype="int32")
    x = L.Embedding(9, 8, mask_zero=True)(ids)
    model = keras.Model(ids, L.MultiHeadAttention(2, 4)(x, x))
    assert expand_attention(model) is model


PRODUCTS = {
    "matmul": lambda x, y: ops.matmul(x, ops.transpose(y, (0, 1, 3, 2))),
    "attention": lambda x, y: ops.einsum("btnh,bsnh->bnts", x, y),
    "several of a kind": lambda x, y: ops.einsum("bijk,bijl->blk", x, y),
    "several rows": lambda x, y: ops.einsum("bijk,bljk->bilj", x, y),
    "an outer axis": lambda x, y: ops.einsum("bijk,bljk->bil", x, y),
    "all summed": lambda x, y: ops.einsum("bijk,bijk->b", x, y),
    "dot": lambda x, y: L.Dot(axes=(3, -1))([x, y]),
    "dot of vectors": lambda x, y: L.Dot(axes=1)([L.Flatten()(x), L.Flatten()(y)]),
}
NO_PRODUCTS = {
    "of the batch": lambda x, y: ops.einsum("bijk,bljk->ilj", x, y),
    "elementwise": lambda x, y: ops.einsum("bijk,bijk->bijk", x, y),
    "a sum of one": lambda x, y: ops.einsum("bijk,bljk->bi", x, y),
    "a diagonal": lambda x, y: ops.einsum("biik,biik->bik", x, y),
    "cosines": lambda x, y: L.Dot(axes=3, normalize=True)([x, y]),
    "broadcast": lambda x, y: ops.matmul(x[:, :1], y),
}


@pytest.mark.backend
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_of_tensors_becomes_a_matrix_product(name, rng):
    inputs = [keras.Input((3, 3, 4)), keras.Input((3, 3, 4))]
    model = keras.Model(inputs, PRODUCTS[name](*inputs))

    result = products_to_matmul(model)

    assert types(result).count(Matmul) == 1
    assert not any(is_operator(layer, "Einsum", "Matmul") for layer in result.operations)
    assert L.Dot not in types(result)
    assert_same_outputs(model, result, sample(model, rng))


@pytest.mark.parametrize("name", NO_PRODUCTS)
def test_other_products_of_tensors_stay(name):
    inputs = [keras.Input((4, 4, 4)), keras.Input((4, 4, 4))]
    model = keras.Model(inputs, NO_PRODUCTS[name](*inputs))
    assert products_to_matmul(model) is model


@pytest.mark.backend
@pytest.mark.parametrize("merge", [L.Add, L.Multiply, L.Maximum, L.Minimum])
def test_a_merge_of_many_becomes_merges_of_two(merge, rng):
    inputs = [keras.Input(size) for size in [(4, 4, 3), (1, 1, 3), (4, 4, 1), (3,)]]
    shared = merge(name="shared")
    outputs = [shared(inputs), shared([inputs[0]] * 3), merge(name="two")(inputs[:2])]
    model = keras.Model(inputs, outputs)

    result = split_merge(model)

    assert all(len(layer.input) == 2 for layer in result.layers if isinstance(layer, merge))
    assert_same_outputs(model, result, sample(model, rng))
    names = {layer.name for layer in result.layers if isinstance(layer, merge)}
    partials = {f"shared_partial_{i}" for i in (1, 2, 3)}
    assert names == {"shared", "shared_1", "two"} | partials


def test_what_is_split_off_a_merge_gets_a_free_name():
    inputs = keras.Input((3,))
    x = L.Dense(3, name="sum_partial_1")(inputs)
    result = split_merge(keras.Model(inputs, L.Add(name="sum")([inputs, x, x])))
    assert [layer.name for layer in result.layers[-2:]] == ["sum_partial_2", "sum"]
