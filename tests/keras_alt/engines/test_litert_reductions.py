"""LiteRT's means: every tie of every number of cells is rounded half to even."""

import keras
import numpy as np
import pytest
from exported import assert_exact
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L
from random_networks import FEW_NETWORKS

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig
from keras_alt.quantizer import quantizers

pytest.importorskip("ai_edge_litert", reason="the `litert` extra is not installed")
pytestmark = pytest.mark.tensorflow_only
ENGINES = ("integer", "litert")
BYTES = FixedPoint(8), FixedPoint(8, signed=False)
# Number formats of what is averaged, and of the mean: behind a ReLU it has no sign.
FORMATS = [(BYTES[0], BYTES[0]), (BYTES[1], BYTES[1]), (BYTES[0], BYTES[1])]


def network(mean, shape, formats, shift, target="litert"):
    """Return a network of one mean. One step of its result is `2**shift` steps of its input."""
    before, after = formats
    inputs = keras.Input(shape)
    outputs = mean(inputs)
    if before.signed and not after.signed:
        outputs = L.ReLU()(outputs)
    config = QuantizeConfig(target=target, inputs="int8" if before.signed else "uint8")
    model = keras_alt.quantize_model(keras.Model(inputs, outputs), config)
    first, last = quantizers(model).values()
    assert (first.format, last.format) == formats
    first.set_threshold(float(before.levels))
    last.set_threshold(2.0**shift * after.levels)
    return model


def cells_of_ties(cells, formats, shift):
    """Return `(cells, ties)` codes whose means lie at all ties, and as near them as can be."""
    before, after = formats
    ties = (np.arange(after.qmin - 1, after.qmax + 1) + 0.5) * 2.0**shift * cells
    sums = np.unique(np.floor(ties)[:, None] + [-1, 0, 1])
    sums = sums[(sums >= cells * before.qmin) & (sums <= cells * before.qmax)]
    least, rest = np.divmod(sums, cells)
    return least + (np.arange(cells)[:, None] < rest)


def assert_every_code(model, codes):
    for engine in ENGINES:
        assert_exact(model, codes.astype("float32"), engine)


@FEW_NETWORKS
@given(st.integers(2, 256), st.sampled_from(FORMATS), st.integers(-3, 7))
def test_every_tie_is_exact(cells, formats, shift):
    codes = cells_of_ties(cells, formats, shift)
    model = network(L.GlobalAveragePooling1D(), codes.shape, formats, shift)
    assert_every_code(model, codes[None])


@pytest.mark.parametrize("axes", [1, 2, 3, (1, 2), (1, 3), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("formats", FORMATS[:2], ids=["signed", "unsigned"])
def test_ties_are_exact_over_all_axes(formats, axes):
    cells, shape = 7, [2, 2, 2]
    axis, *others = np.atleast_1d(axes) - 1
    codes = cells_of_ties(cells, formats, 1).T.reshape(-1, cells)
    for other in others:
        shape[other] = 1
    shape[axis] = cells
    # Each sample has the cells of some ties, one beside the other.
    beside = int(np.prod(shape)) // cells
    codes = codes[: len(codes) // beside * beside].reshape(-1, beside, cells)
    rest = [n for i, n in enumerate(shape) if i != axis]
    codes = np.moveaxis(codes.reshape(-1, *rest, cells), -1, axis + 1)
    layer = lambda x: keras.ops.mean(x, axis=axes)  # noqa: E731
    assert_every_code(network(layer, shape, formats, 1), codes)


def test_a_mean_that_rounds_half_to_even_is_not_repeated(tmp_path):
    repeated = {}
    for cells in (7, 9, 49, 64):
        model = network(L.GlobalAveragePooling1D(), (cells, 4), FORMATS[0], 1)
        path = tmp_path / f"{cells}.tflite"
        keras_alt.export.to_litert(model, path)
        repeated[cells] = b"/copies" in path.read_bytes()
    assert repeated == {7: True, 9: False, 49: False, 64: False}
