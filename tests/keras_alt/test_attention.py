"""A vision transformer's block: integers but for norms, through training and files."""

import keras
import numpy as np
import pytest
from conftest import EAGER, assert_same_outputs
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.layers import Matmul, QuantDense


def transformer(attention=None, width=8):
    attention = attention or L.MultiHeadAttention(2, 4, dropout=0.1, name="mha")
    x = inputs = keras.Input((8, 8, 3))
    x = L.Reshape((16, width))(L.Conv2D(width, 2, strides=2, name="patches")(x))
    y = L.LayerNormalization(name="norm_1")(x)
    x = L.Add(name="attended")([x, attention(y, y)])
    y = L.LayerNormalization(name="norm_2")(x)
    y = L.Dense(width, name="down")(L.Dense(12, activation="gelu", name="up")(y))
    x = L.GlobalAveragePooling1D()(L.Add(name="block")([x, y]))
    return keras.Model(inputs, L.Dense(5, name="head")(x))


def quantized(model, rng, target):
    x = rng.normal(size=(32, 8, 8, 3)).astype("float32")
    q = keras_alt.quantize_model(model, QuantizeConfig(target=target), calibration_data=x)
    keras_alt.calibrate(q, x, verbose=False)
    return q, x


@pytest.mark.parametrize(
    ("target", "engine", "ending"), [("litert", "litert", "keras"), ("onnx", "onnxruntime", "h5")]
)
def test_a_transformer_block_is_exact_between_its_islands(target, engine, ending, rng, tmp_path):
    q, x = quantized(transformer(), rng, target)
    loss = keras.losses.MeanSquaredError()
    q.compile(keras_alt.optimizers.alt(batch_size=16), loss, run_eagerly=EAGER)
    q.fit(x, np.ones((32, 5)), batch_size=16, verbose=0)
    q.save(tmp_path / f"m.{ending}")
    loaded = keras.models.load_model(tmp_path / f"m.{ending}")

    result = keras_alt.verify(loaded, x, engine=engine, verbose=False)

    assert_same_outputs(loaded, q, x)
    assert result.mismatches == 0
    assert max(row.max_lsb for row in result.behind) <= 1  # where an engine rounds a float
    islands = {"norm_1", "norm_2"}
    assert set(keras_alt.integer.read(loaded).island_layers) == islands
    assert {row.name for row in keras_alt.report(loaded).floats} == islands


def test_parts_of_attention_are_named_after_it(rng):
    config = QuantizeConfig(overrides={"mha_query": {"weights": 4}, "mha*": {"activations": 6}})
    q = keras_alt.quantize_model(transformer(), config)

    assert q.get_layer("mha_query").kernel_bits == 4
    assert q.get_layer("mha").kernel_bits == 8
    formats = {name: z.format for name, z in keras_alt.quantizers(q).items()}
    names = ("query", "key", "value", "scores", "context")
    assert {formats[f"mha_{name}/output"].bits for name in names} == {6}
    softmax = formats["mha_softmax/output"]
    assert (softmax.bits, softmax.signed) == (6, False)


def test_skipped_attention_is_float(rng):
    q = keras_alt.quantize_model(transformer(), QuantizeConfig(skip=("mha*",)))

    parts = [layer for layer in q.layers if layer.name.startswith("mha")]
    assert not any(isinstance(layer, QuantDense) for layer in parts)
    assert not [name for name in keras_alt.quantizers(q) if name.startswith("mha_")]


def test_attention_of_groups_is_exact(rng):
    attention = L.GroupQueryAttention(4, 4, 2, name="mha")
    q, x = quantized(transformer(attention), rng, "litert")
    assert keras_alt.verify(q, x, engine="litert", verbose=False).mismatches == 0
    assert sum(isinstance(layer, Matmul) for layer in q.layers) == 2
