"""A run that `Backup` resumes is the run without an interruption, whatever it was doing."""

import os

import keras
import numpy as np
import pytest
from keras import layers as L
from test_keras_callbacks import Killed, assert_same_state, data, fit, student

from keras_alt.callbacks import Backup, BestCheckpoint, FreezeThresholds, Prune, ThresholdHistory

__all__ = ["data"]  # a fixture


def sparsity(step):
    return step % 3 == 0, 0.1 + step / 40


def float_network(data):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((6,)), L.Dense(8, "relu", name="hidden"), L.Dense(2, name="head")]
    model = keras.Sequential(layers)
    eager = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.Adam(1e-2), "mse", run_eagerly=eager, jit_compile=False)
    return model


def callbacks(kind, folder, backup_first):
    ours = [Prune(sparsity)]
    if kind is student:
        ours += [FreezeThresholds(0.5), ThresholdHistory(folder / "history")]
    backup = Backup(folder / "backup.weights.h5")
    return [backup, *ours] if backup_first else [*ours, backup]


def named_anew(kind, data):
    """Return a network with the automatic names that it has in a process of its own."""
    keras.utils.clear_session()
    return kind(data)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("kind", "backup_first"),
    [
        (float_network, False),
        pytest.param(float_network, True, marks=pytest.mark.full),
        pytest.param(student, False, marks=pytest.mark.full),
        pytest.param(student, True, marks=pytest.mark.full),
    ],
)
def test_a_resumed_run_ends_as_a_whole_one(data, tmp_path, kind, backup_first):
    folders = tmp_path / "whole", tmp_path / "resumed"
    for folder in folders:
        folder.mkdir()
    whole, killed, resumed = (named_anew(kind, data) for _ in range(3))
    fit(whole, data, callbacks(kind, folders[0], backup_first))
    with pytest.raises(KeyboardInterrupt):
        fit(killed, data, [*callbacks(kind, folders[1], backup_first), Killed(1)])
    fit(resumed, data, callbacks(kind, folders[1], backup_first))

    assert_same_state(resumed, whole)
    assert np.mean(keras.ops.convert_to_numpy(resumed.get_layer("hidden").kernel) == 0) > 0.3
    if kind is student:
        first, second = ((f / "history" / "thresholds.csv").read_text() for f in folders)
        assert first == second


def test_a_run_that_is_done_is_not_trained_again(data, tmp_path):
    backup = Backup(tmp_path / "backup.weights.h5")
    whole, again = float_network(data), float_network(data)
    assert backup.epochs == 0
    fit(whole, data, [backup])
    assert Backup(backup.path).epochs == 3
    fit(again, data, [backup])
    assert_same_state(again, whole)
    assert len(fit(again, data, epochs=1).history["loss"]) == 1  # without it, from epoch 0


def test_a_kill_while_the_state_is_written_leaves_the_state_before(data, tmp_path, monkeypatch):
    path = tmp_path / "backup.weights.h5"
    fit(float_network(data), data, [Backup(path)], epochs=1)
    before = path.read_bytes()

    def cut(model, file):
        with open(file, "wb") as opened:
            opened.write(before[: len(before) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(keras.Model, "save_weights", cut)
        fit(float_network(data), data, [Backup(path)])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["backup", "backup.keras", "backup.h5"])
def test_another_kind_of_file_is_refused(name):
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        Backup(name)


def test_what_another_wrote_is_refused(data, tmp_path):
    path = tmp_path / "file.weights.h5"
    model = float_network(data)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="must have been written by `Backup`"):
        fit(model, data, [Backup(path)])
    model.save_weights(path)
    with pytest.raises(ValueError, match="must have been written by `Backup`"):
        fit(model, data, [Backup(path)])
    path.unlink()
    other = keras.Sequential([keras.Input((6,)), L.Dense(2)])
    other.compile("sgd", "mse", run_eagerly=model.run_eagerly)
    fit(other, data, [Backup(path)], epochs=1)
    with pytest.raises(ValueError, match="keeps a run of another network"):
        fit(model, data, [Backup(path)])


@pytest.mark.full
def test_the_best_model_is_kept_through_a_kill(data, tmp_path):
    def both():
        best = BestCheckpoint(tmp_path / "best.keras", "val_loss", validation_data=data)
        return [best, Backup(tmp_path / "backup.weights.h5")]

    with pytest.raises(KeyboardInterrupt):
        fit(student(data), data, [*both(), Killed(2)], validation_data=data)
    best = both()[0].best
    assert best is not None
    keras.utils.clear_session()  # names are those of a new process
    resumed = both()
    history = fit(student(data), data, resumed, validation_data=data).history
    assert resumed[0].best == min(best, *history["val_loss"])
