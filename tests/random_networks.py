"""Random small networks."""

import keras
import numpy as np
from conftest import randomize
from hypothesis import assume, settings
from hypothesis import strategies as st
from keras import layers as L
from random_blocks import BLOCKS, ISLANDS, layer_of

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.keras_internals import nested_layers
from keras_alt.layers import FoldedBatchNorm
from keras_alt.quantizer import quantizers

# A network takes a fifth of a second, and JAX compiles each for seconds.
FEW_NETWORKS = settings(
    max_examples=settings().max_examples // 4 if keras.backend.backend() == "tensorflow" else 8
)
# TensorFlow's converter takes a second or more for the float layers of a network.
FEW_ISLANDS = settings(max_examples=settings().max_examples // 10)
# Half of them 8, because engines have kernels of their own for bytes.
WIDTHS = st.one_of(st.just(8), st.integers(2, 8))
SIZES = ((8, 2), (6, 6, 2), (6, 6, 2), (3, 4, 3, 2))


@st.composite
def networks(draw, blocks=BLOCKS):
    """Draw a small network of lines, images or volumes, with one output or two.

    Args:
        blocks: those to draw from, by the rank of the tensor.
    """
    x = inputs = keras.Input(draw(st.sampled_from(SIZES)))
    tensors = []
    for _ in range(draw(st.integers(1, 3))):
        x = draw(st.sampled_from(blocks[len(x.shape)]))(draw, x)
        tensors.append(x)
    outputs = [draw(HEADS)(x)]
    if draw(st.booleans()):
        outputs.append(draw(HEADS)(draw(st.sampled_from(tensors))))
    return keras.Model(inputs, outputs)


def _dense(x):
    return L.Dense(3)(L.Flatten()(x))


def _pooled(x):
    return L.Dense(3)(layer_of("GlobalAveragePooling", x)()(x))


def _largest(x):
    return layer_of("GlobalMaxPooling", x)()(x)


def _probable(x):
    return L.Softmax()(_dense(x))


def _at_every_cell(x):
    return layer_of("Conv", x)(2, 1, activation="sigmoid")(x)


# Those with float layers are rare, because a converter of float layers is slow.
HEADS = st.sampled_from([_dense, _pooled, _largest] * 3 + [_probable, _at_every_cell])


@st.composite
def with_islands(draw):
    """Draw a network in which one block or more are float layers."""
    some = {rank: (*blocks, *ISLANDS[rank] * 4) for rank, blocks in BLOCKS.items()}
    return draw(networks(some))


@st.composite
def quantized_networks(draw, target, activations=WIDTHS, models=None):
    """Draw a small network quantized for a target, with random thresholds, and inputs for it."""
    config = QuantizeConfig(
        weights=draw(st.integers(2, 8)),
        activations=draw(activations),
        inputs=draw(activations),
        target=draw(target),
        batch_norm=draw(st.sampled_from(["fold", "train"])),
    )
    model = draw(networks() if models is None else models)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    quantized = keras_alt.quantize_model(randomize(model, rng), config)
    assume(quantizers(quantized))  # moves alone give nothing to quantize
    for variable in quantized.weights:
        if variable.name == "bias":
            variable.assign(rng.normal(0, 0.3, variable.shape))
    for layer in nested_layers(quantized):
        if isinstance(layer, FoldedBatchNorm):
            layer.statistics_frozen.assign(True)
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(2.0 ** rng.uniform(-2, 3))
    return quantized, rng.normal(size=(8, *model.inputs[0].shape[1:])).astype("float32")
