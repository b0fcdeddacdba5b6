"""The best model's file knows its figure, so that no later run replaces it by a worse one."""

import keras
import numpy as np
import pytest

from keras_alt.callbacks import BestCheckpoint


def checkpoint_of(path, units=1):
    best = BestCheckpoint(path, monitor="val_accuracy")
    dense = keras.layers.Dense(units, name="dense")
    best.set_model(keras.Sequential([keras.Input((1,), name="x"), dense], name="model"))
    best.on_train_begin()
    return best


@pytest.mark.parametrize("name", ["best.keras", "best.weights.h5"])
def test_the_best_figure_survives_a_restart(name, tmp_path):
    path = tmp_path / name
    first = checkpoint_of(path)
    first.on_epoch_end(0, {"val_accuracy": np.nan})  # never the best
    assert first.best is None and not path.exists()
    first.on_epoch_end(1, {"val_accuracy": 0.9})
    kept = path.read_bytes()

    second = checkpoint_of(path)
    assert second.best == 0.9
    for epoch, value in enumerate((0.1, np.nan, 0.9)):
        second.on_epoch_end(epoch, {"val_accuracy": value})
    assert path.read_bytes() == kept
    second.restore()
    np.testing.assert_array_equal(second.model.get_weights()[0], first.model.get_weights()[0])
    second.on_epoch_end(3, {"val_accuracy": 0.95})
    assert checkpoint_of(path).best == 0.95


def test_a_checkpoint_of_something_else_is_not_replaced(tmp_path):
    path = tmp_path / "best.keras"
    checkpoint_of(path).on_epoch_end(0, {"val_accuracy": 0.9})
    with pytest.raises(ValueError, match="by 'val_accuracy'.*monitor='val_loss'"):
        BestCheckpoint(path, monitor="val_loss")
    with pytest.raises(ValueError, match="of another network.*choose another path"):
        checkpoint_of(path, units=2)
    for name in ("other.keras", "other.weights.h5"):
        checkpoint_of(path).model.save(tmp_path / "plain.keras")
        (tmp_path / name).write_bytes((tmp_path / "plain.keras").read_bytes())
        with pytest.raises(ValueError, match="written by `BestCheckpoint`: choose another"):
            BestCheckpoint(tmp_path / name)
