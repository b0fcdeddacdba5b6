"""Transforms of float models. A transform returns a model that computes the same function."""

import keras

from keras_alt.config import QuantizeConfig
from keras_alt.precision import float32_by_default
from keras_alt.targets import get_target
from keras_alt.transforms.absorb_zero_padding import absorb_zero_padding as absorb_zero_padding
from keras_alt.transforms.array_to_operand import array_to_operand as array_to_operand
from keras_alt.transforms.as_keras import as_keras as as_keras
from keras_alt.transforms.average_pool_to_depthwise import (
    average_pool_to_depthwise as average_pool_to_depthwise,
)
from keras_alt.transforms.average_pool_to_depthwise import (
    mean_to_average_pool as mean_to_average_pool,
)
from keras_alt.transforms.average_pool_to_mean import average_pool_to_mean as average_pool_to_mean
from keras_alt.transforms.average_to_sum import average_to_sum as average_to_sum
from keras_alt.transforms.channel_scale_to_batch_norm import (
    channel_scale_to_batch_norm as channel_scale_to_batch_norm,
)
from keras_alt.transforms.collapse_concat import collapse_concat as collapse_concat
from keras_alt.transforms.einsum_to_dense import einsum_to_dense as einsum_to_dense
from keras_alt.transforms.expand_attention import expand_attention as expand_attention
from keras_alt.transforms.fold_batch_norm import fold_batch_norm as fold_batch_norm
from keras_alt.transforms.fold_batch_norm import fold_fixed_batch_norm as fold_fixed_batch_norm
from keras_alt.transforms.fold_rescaling import fold_rescaling as fold_rescaling
from keras_alt.transforms.in_float32 import in_float32 as in_float32
from keras_alt.transforms.inline import inline as inline
from keras_alt.transforms.operators_to_layers import operators_to_layers as operators_to_layers
from keras_alt.transforms.products_to_matmul import products_to_matmul as products_to_matmul
from keras_alt.transforms.scale_into_softmax import scale_into_softmax as scale_into_softmax
from keras_alt.transforms.splice_identity import splice_identity as splice_identity
from keras_alt.transforms.split_activation import split_activation as split_activation
from keras_alt.transforms.split_merge import split_merge as split_merge
from keras_alt.transforms.split_separable import split_separable as split_separable
from keras_alt.transforms.unwrap_time_distributed import (
    unwrap_time_distributed as unwrap_time_distributed,
)

CANONICAL = (
    inline,
    as_keras,
    unwrap_time_distributed,
    expand_attention,
    operators_to_layers,
    products_to_matmul,
    splice_identity,
    collapse_concat,
    average_to_sum,
    split_merge,
    einsum_to_dense,
    split_separable,
    split_activation,
    absorb_zero_padding,
    channel_scale_to_batch_norm,
    array_to_operand,
    scale_into_softmax,
)


@float32_by_default()
def plain(model: keras.Model) -> keras.Model:
    """Return a flat float copy of `model`, of plain layers, with its batch norms."""
    for transform in CANONICAL:
        model = transform(model)
    return model


def folded(model: keras.Model) -> keras.Model:
    """Return a flat float copy of `model`, of plain layers, without batch norms."""
    return fold_batch_norm(plain(model))


def canonical(model: keras.Model, config: QuantizeConfig) -> keras.Model:
    """Return a flat float copy of `model` in the form that quantization expects.

    It computes in float32 where `model` has mixed precision.

    Args:
        model: built `keras.Model`; not changed.
        config: `QuantizeConfig`. Its `batch_norm`, `inputs` and `target` decide how batch norms,
            leading rescalings and average pools are transformed.
    """
    with float32_by_default():
        model = plain(in_float32(model))
        fold = {"fold": fold_batch_norm, "train": fold_fixed_batch_norm}[config.batch_norm]
        model = fold(model)
        if config.takes_unsigned:
            model = fold_rescaling(model)
        if get_target(config.target).pool_as_depthwise:
            return average_pool_to_depthwise(mean_to_average_pool(model))
        return average_pool_to_mean(model)
