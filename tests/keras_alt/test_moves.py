"""Operators that move values: elementary moves compute the same, and every move has integers."""

import inspect

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.functions import FUNCTIONS
from keras_alt.graph import Graph
from keras_alt.integer import arithmetic, read
from keras_alt.integer.reader import HANDLERS, ROUNDED_BEHIND
from keras_alt.layers import ScaledSoftmax
from keras_alt.moves import MOVES, moves_of
from keras_alt.noise import NOISE
from keras_alt.operators import OPERATORS, Operator, operator_of
from keras_alt.transforms import canonical

pytestmark = pytest.mark.check
SIZE = (4, 6, 8)
MOVING = {
    "rows": lambda x: x[:, 1:3],
    "steps": lambda x: x[..., ::-2],
    "from behind": lambda x: x[:, -1:0:-1, :-2],
    "index": lambda x: x[:, -1],
    "indices": lambda x: x[:, 0, 1, 2],
    "new axes": lambda x: x[:, None, 1:, ..., None, 0],
    "take one": lambda x: ops.take(x, 2, axis=-1),
    "take many": lambda x: ops.take(x, [[0, 1], [-1, -1]], axis=1),
    "split": lambda x: ops.split(x, 3, axis=2),
    "split at": lambda x: ops.split(x, [1, 5], axis=-1),
    "array split": lambda x: ops.array_split(x, 3, axis=1),
    "unstack": lambda x: ops.unstack(x, axis=-3),
    "flip": lambda x: ops.flip(x, axis=(-1, 1)),
    "flip columns": ops.fliplr,
    "turn": lambda x: ops.rot90(x, axes=(1, 2)),
    "turn twice": lambda x: ops.rot90(x[..., :4], 2, axes=(-1, 1)),
    "turn back": lambda x: ops.rot90(x, -1, axes=(2, 1)),
    "roll": lambda x: ops.roll(x, -3, axis=1),
    "roll two": lambda x: ops.roll(x, (1, 2), axis=(1, 2)),
    "tile": lambda x: ops.tile(x, (1, 2, 1, 3)),
    "tile behind": lambda x: ops.tile(x, (2,)),
    "repeat": lambda x: ops.repeat(x, 2, axis=3),
    "repeat each": lambda x: ops.repeat(x, [0, 2, 1, 3], axis=1),
    "pad": lambda x: ops.pad(x, ((0, 0), (0, 1), (2, 0), (0, 0))),
    "reflect": lambda x: ops.pad(x, ((0, 0), (2, 1), (0, 0), (0, 1)), mode="reflect"),
    "symmetric": lambda x: ops.pad(x, ((0, 0), (2, 1), (0, 0), (0, 1)), mode="symmetric"),
    "reshape": lambda x: ops.reshape(x, (-1, 24, 8)),
    "squeeze": lambda x: ops.squeeze(x[:, :1], axis=1),
    "expand": lambda x: ops.expand_dims(x, axis=(1, -1)),
    "transpose": lambda x: ops.transpose(x, (0, 3, 1, 2)),
    "swap": lambda x: ops.swapaxes(x, -1, 1),
    "move": lambda x: ops.moveaxis(x, (1, 3), (-1, 2)),
    "to depth": lambda x: ops.space_to_depth(x, 2),
    "to space": lambda x: ops.depth_to_space(x, 2),
    "nothing": lambda x: ops.stop_gradient(ops.copy(x)),
}
MOVING_SAMPLES = {
    "slice": lambda x: x[1:, :],
    "samples backwards": lambda x: x[::-1, :],
    "one sample": lambda x: x[0],
    "new first axis": lambda x: x[None, :],
    "take": lambda x: ops.take(x, [0, 0], axis=0),
    "take of all": lambda x: ops.take(x, [0, 0]),
    "split": lambda x: ops.split(x, 2, axis=0),
    "flip": lambda x: ops.flip(x, axis=0),
    "flip of all": ops.flip,
    "turn of samples": ops.rot90,
    "roll of all": lambda x: ops.roll(x, 1),
    "tile": lambda x: ops.tile(x, (2, 1, 1, 1)),
    "repeat of all": lambda x: ops.repeat(x, 2),
    "pad": lambda x: ops.pad(x, 1),
    "reshape": lambda x: ops.reshape(x, (-1, 8)),
    "ravel": ops.ravel,
    "transpose": ops.transpose,
    "swap": lambda x: ops.swapaxes(x, 0, 1),
    "expand": lambda x: ops.expand_dims(x, axis=0),
    "other samples": lambda x: ops.stack([x, x], axis=0),
    "maximum": lambda x: ops.max(x, axis=0),
    "mean of all": ops.mean,
    "more samples": lambda x: ops.concatenate([x, x], axis=0),
}


def model_of(function, size=SIZE, batch=None):
    inputs = keras.Input(size, batch_size=batch)
    return keras.Model(inputs, function(inputs))


def moved(moves, x):
    for move in moves:
        x = getattr(arithmetic, move.operation)(x, **move.attributes)
    return x


@pytest.mark.tensorflow_only  # Keras has not all of them on JAX and torch
@pytest.mark.parametrize("name", MOVING)
def test_elementary_moves_compute_the_operator(name):
    model = model_of(MOVING[name])
    x = np.arange(2 * np.prod(SIZE)).reshape(2, *SIZE)
    expected = keras.tree.flatten(model(x.astype("float32")))
    values = {model.inputs[0]: x}
    for call in Graph(model).calls:
        assert operator_of(call) is not None
        outputs = [moved(moves, values[call.inputs[0]]) for moves in moves_of(call)]
        values.update(zip(call.outputs, outputs, strict=True))
    for tensor, result in zip(model.outputs, expected, strict=True):
        np.testing.assert_array_equal(values[tensor], ops.convert_to_numpy(result))


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("name", MOVING_SAMPLES)
def test_what_moves_samples_has_no_fixed_point_form(name, batch):
    model = canonical(model_of(MOVING_SAMPLES[name], batch=batch), QuantizeConfig())
    assert operator_of(Graph(model).calls[-1]) is None


@pytest.mark.parametrize(
    "function",
    [lambda x: x[:, ::2], lambda x: x[:, -2:], lambda x: ops.flip(x, axis=1)],
    ids=["steps", "from behind", "flip"],
)
def test_an_axis_of_open_size_is_not_reordered(function):
    (call,) = Graph(model_of(function, size=(None, 4))).calls
    assert operator_of(call) is None


def test_an_axis_of_open_size_is_cropped():
    (call,) = Graph(model_of(lambda x: x[:, 1:-2], size=(None, 4))).calls
    (((move),),) = moves_of(call)
    assert move.attributes == {"cropping": ((1, 2), (0, 0))}


@pytest.mark.parametrize("layer", NOISE, ids=lambda layer: layer.__name__)
def test_noise_is_for_training(layer, rng):
    rank = {L.SpatialDropout1D: 3, L.SpatialDropout3D: 5}.get(layer, 4)
    x = rng.normal(size=(2, 4, 4, 4, 3)[-rank:]).astype("float32")
    required = [
        1.0
        for name, p in inspect.signature(layer).parameters.items()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(*required)(inputs))
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x, training=False)), x)


def test_bytes_are_quantized_behind_the_noise(rng):
    inputs = keras.Input((6, 6, 3), dtype="uint8")
    x = L.Conv2D(4, 3)(L.RandomFlip(name="flip")(inputs))
    quantized = keras_alt.quantize_model(keras.Model(inputs, x))
    x = rng.integers(0, 256, (8, 6, 6, 3)).astype("uint8")
    assert "flip/output" in keras_alt.calibrate(quantized, x, verbose=False)
    assert keras_alt.verify(quantized, x, verbose=False)


def test_places_that_another_tensor_tells_are_not_constant():
    x, places = keras.Input((4, 3)), keras.Input((), dtype="int32")
    (call,) = Graph(keras.Model([x, places], ops.take(x, places, axis=1))).calls
    assert operator_of(call) is None


def test_every_operator_has_integers():
    """A layer that computes on the grid itself is a step of the program."""
    computed = {
        kind
        for kind, entry in OPERATORS.items()
        if not (isinstance(entry, Operator) and entry.quantized)
    }
    # By a Quant layer, a Quantizer or a table.
    replaced = {L.LeakyReLU, L.Activation, L.Softmax, ScaledSoftmax}
    assert computed - replaced - set(FUNCTIONS) <= set(HANDLERS) | set(ROUNDED_BEHIND)
    assert set(MOVES) <= computed


def test_slices_and_several_outputs_are_kept_in_files(rng, tmp_path):
    inputs = keras.Input((6, 6, 4))
    first, second = ops.split(L.Conv2D(4, 3)(inputs)[:, 1:, ::2], 2, axis=-1)
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(first - second)))
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    x = rng.normal(size=(8, 6, 6, 4)).astype("float32")
    keras_alt.calibrate(quantized, x, verbose=False)

    quantized.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert_same_outputs(loaded, quantized, x)
    assert len(read(loaded).program.steps) == len(read(quantized).program.steps)
    assert keras_alt.report(loaded).floats == []
