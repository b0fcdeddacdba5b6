"""Transposes of many axes in LiteRT's files: fewer axes move the same values."""

import keras
import layer_zoo
import numpy as np
import pytest
from exported import assert_exact, quantized
from hypothesis import given
from hypothesis import strategies as st

from keras_alt.engines.litert.transposes import merged_axes
from keras_alt.export import to_litert

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(SHAPES.flatmap(lambda s: st.tuples(st.just(s), st.permutations(range(1, len(s) + 1)))))
def test_merged_axes_move_the_same_values(drawn):
    shape, order = drawn
    x, axes = np.arange(2 * np.prod(shape)).reshape(2, *shape), (0, *order)

    merged, fewer = merged_axes(shape, axes)

    moved = x.reshape(2, *merged).transpose(fewer)
    np.testing.assert_array_equal(moved.reshape(x.transpose(axes).shape), x.transpose(axes))
    assert 1 not in merged
    assert all(after != before + 1 for before, after in zip(fewer[1:], fewer[2:], strict=False))


@pytest.mark.parametrize("name", ["space_to_depth", "depth_to_space"])
def test_blocks_of_pixels_are_moved_by_five_axes(name, rng, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="`litert` is missing")
    pytest.importorskip("tflite_micro", reason="the `tflm` extra is not installed")
    model, x = quantized(layer_zoo.network(name, size=(6, 6, 4), target="tflm"), rng, "tflm")
    to_litert(model, tmp_path / "model.tflite")

    file = interpreter.Interpreter(str(tmp_path / "model.tflite"))
    file.allocate_tensors()
    details = {tensor["index"]: tensor for tensor in file.get_tensor_details()}
    transposes = [op for op in file._get_ops_details() if op["op_name"] == "TRANSPOSE"]

    assert [len(details[op["inputs"][0]]["shape"]) for op in transposes] == [5]
    for engine in ("integer", "litert-reference", "tflm"):
        assert_exact(model, x, engine)


def test_six_axes_that_do_not_merge_stay(rng):
    pytest.importorskip("ai_edge_litert", reason="the `litert` extra is not installed")
    inputs = keras.Input((2, 3, 2, 3, 2))
    x = keras.layers.Dense(3)(keras.layers.Permute((5, 4, 3, 2, 1))(inputs))
    model, x = quantized(keras.Model(inputs, x), rng, "litert")
    assert_exact(model, x, "litert")
