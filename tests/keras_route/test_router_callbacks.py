"""The best is kept across runs, and a run can be watched."""

import csv

import keras
import numpy as np
import pytest
from conftest import outputs

from keras_route.callbacks import BestF1Checkpoint, RoutePreview, TrainingCurves
from keras_route.data.random_nets import generate
from keras_route.layout.pictures import write_comparison
from keras_route.losses import ScoreCrossEntropy
from keras_route.metrics import PixelF1, PixelPrecision, PixelRecall
from keras_route.models.comparator import decide


@pytest.fixture(scope="module")
def data():
    return generate(24, seed=0, height=8, width=8)


@pytest.fixture
def model():
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(16, 5, padding="same")(inputs))
    metrics = [PixelPrecision(), PixelRecall(), PixelF1()]
    model.compile(
        keras.optimizers.Adam(0.05), ScoreCrossEntropy(), metrics=metrics, run_eagerly=True
    )
    return model


def fit(model, data, *callbacks, **options):
    options = {"epochs": 1, **options}
    return model.fit(
        *data, batch_size=12, verbose=0, validation_data=data, callbacks=callbacks, **options
    ).history


def report(checkpoint, model, *figures):
    """Tell a checkpoint the F1 of epochs one after another, and move the weights before each."""
    checkpoint.set_model(model)
    for epoch, figure in enumerate(figures):
        model.set_weights([w + 1 for w in model.get_weights()])
        checkpoint.on_epoch_end(epoch, {"val_pixel_f1": figure})


def test_the_best_epoch_is_kept(model, data, tmp_path):
    best = BestF1Checkpoint(tmp_path / "best.keras")
    start = model.get_weights()
    report(best, model, 0.0, 0.6, 0.5, 0.6, float("nan"))
    assert (best.best, best.epochs) == (0.6, 2)
    best.restore()
    for before, after in zip(start, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before + 1 + 1, after)
    assert [p.name for p in tmp_path.iterdir()] == ["best.keras"]


def test_a_later_run_has_to_beat_the_file(model, tmp_path):
    path = tmp_path / "best.keras"
    report(BestF1Checkpoint(path), model, 0.2, 0.6, 0.1)
    content = path.read_bytes()

    again = BestF1Checkpoint(path)
    assert (again.best, again.epochs) == (0.6, 2)
    report(again, model, 0.55)
    assert path.read_bytes() == content
    report(again, model, 0.7)
    assert (BestF1Checkpoint(path).best, BestF1Checkpoint(path).epochs) == (0.7, 1)


@pytest.mark.backend
def test_training_goes_on_where_the_best_was(model, data, tmp_path):
    path = tmp_path / "best.keras"
    history = fit(model, data, BestF1Checkpoint(path), epochs=4)
    best = BestF1Checkpoint(path)
    assert best.best == max(history["val_pixel_f1"])
    assert best.epochs == 1 + int(np.argmax(history["val_pixel_f1"]))

    again = keras.models.load_model(path)
    assert int(again.optimizer.iterations.numpy()) == 2 * best.epochs
    figures = again.evaluate(*data, verbose=0, return_dict=True)
    assert figures["pixel_f1"] == pytest.approx(best.best, rel=1e-6)
    fit(again, data, best, epochs=best.epochs + 1, initial_epoch=best.epochs)


def test_an_interrupted_write_leaves_the_file_as_it_was(model, tmp_path, monkeypatch):
    path = tmp_path / "best.keras"
    best = BestF1Checkpoint(path)
    report(best, model, 0.2)
    content = path.read_bytes()

    def fail(target):
        with open(target, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        report(best, model, 0.9)
    assert path.read_bytes() == content
    assert best.best == 0.2
    assert [p.name for p in tmp_path.iterdir()] == ["best.keras"]


def test_a_checkpoint_says_what_is_wrong(model, data, tmp_path):
    path = tmp_path / "best.keras"
    with pytest.raises(ValueError, match=r"must end in \.keras"):
        BestF1Checkpoint(tmp_path / "best.h5")
    with pytest.raises(ValueError, match="monitor='val_pixel_f1_m4'"):
        fit(model, data, BestF1Checkpoint(path, monitor="val_pixel_f1_m4"))
    best = BestF1Checkpoint(path)
    with pytest.raises(ValueError, match="Nothing has been saved"):
        best.restore()
    report(best, model, 0.1)
    with pytest.raises(ValueError, match="monitor='val_exact_match'"):
        BestF1Checkpoint(path, monitor="val_exact_match")
    for foreign in (model.save, lambda p: p.write_text("text")):
        foreign(tmp_path / "other.keras")
        with pytest.raises(ValueError, match="must have been written by"):
            BestF1Checkpoint(tmp_path / "other.keras")


def test_previews_are_drawn_first_last_and_between(model, data, tmp_path):
    pytest.importorskip("matplotlib")
    x, y = (array[:2] for array in data)
    fit(model, data, RoutePreview(x, y, tmp_path / "run", every=2), epochs=5)
    pictures = sorted((tmp_path / "run").iterdir())
    assert [p.name for p in pictures] == [f"epoch_{epoch:04d}.png" for epoch in (1, 2, 4, 5)]
    write_comparison(y, decide(outputs(model, x)[0]), tmp_path / "last.png")
    assert pictures[-1].read_bytes() == (tmp_path / "last.png").read_bytes()


def test_previews_check_what_they_get(data, tmp_path):
    pytest.importorskip("matplotlib")
    x, y = data
    with pytest.raises(ValueError, match="2 images, 3 labels, every=1"):
        RoutePreview(x[:2], y[:3], tmp_path)
    with pytest.raises(ValueError, match="every=0"):
        RoutePreview(x[:2], y[:2], tmp_path, every=0)
    with pytest.raises(ValueError):
        RoutePreview(x[:2], y[0, :2], tmp_path)


def test_curves_hold_the_history_and_go_on(model, data, tmp_path):
    pytest.importorskip("matplotlib")
    first = fit(model, data, TrainingCurves(tmp_path / "run"), epochs=2)
    curves = TrainingCurves(tmp_path / "run")
    second = fit(model, data, curves, epochs=2, initial_epoch=1)

    assert [row["epoch"] for row in curves.rows] == [1, 2]
    for name, values in first.items():
        assert [row[name] for row in curves.rows] == values[:1] + second[name]
    with open(tmp_path / "run" / "training.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_pixel_f1"]) for row in rows] == [r["val_pixel_f1"] for r in curves.rows]
    assert (tmp_path / "run" / "training.png").stat().st_size > 10_000
    assert len(list((tmp_path / "run").iterdir())) == 2


def test_a_run_from_the_start_begins_new_curves(tmp_path):
    pytest.importorskip("matplotlib")
    for start in (3, 0):
        curves = TrainingCurves(tmp_path)
        curves.on_train_begin()
        curves.on_epoch_end(start, {"loss": 0.5})
    assert curves.rows == [{"epoch": 1, "loss": 0.5}]
