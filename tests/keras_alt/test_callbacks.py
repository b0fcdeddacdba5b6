"""What is frozen stays bit-identical; what is best is kept (checks 23, 59, 60)."""

import warnings

import keras
import models
import numpy as np
import pytest
from conftest import EAGER, outputs, randomize
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.callbacks import (
    BestCheckpoint,
    FreezeBatchNorm,
    FreezeThresholds,
    ThresholdHistory,
    threshold_history,
)
from keras_alt.quantizer import quantizers, trained_quantizers


@pytest.fixture
def data(rng):
    return rng.normal(size=(32, 8, 8, 3)).astype("float32"), rng.integers(0, 5, 32)


def small():
    """Two layers, because what is traced is paid for in every test."""
    x = inputs = keras.Input((8, 8, 3))
    x = L.GlobalAveragePooling2D()(models.conv_block(x, 4))
    return keras.Model(inputs, L.Dense(5, activation="softmax", name="head")(x))


def compiled(model, steps=100, **config):
    q = keras_alt.quantize_model(model, QuantizeConfig(**config)) if config else model
    q.compile(
        keras_alt.optimizers.alt(1e-3, 1e-2, steps=steps),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
        jit_compile=keras.backend.backend() == "jax",  # XLA takes as long as to trace the step
    )
    return q


@pytest.fixture
def model(rng, data):
    q = keras_alt.quantize_model(randomize(small(), rng), calibration_data=data[0])
    return compiled(q)


def run_step_by_step(model):
    """Have the model run eagerly on TensorFlow: a few steps take less time than a trace."""
    model.run_eagerly = EAGER


@pytest.fixture
def eager(model):
    run_step_by_step(model)


def values(model):
    return {name: q.log2_threshold.numpy().item() for name, q in quantizers(model).items()}


def frozen(model):
    return {name for name, q in quantizers(model).items() if ops.convert_to_numpy(q.frozen.value)}


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.frozen, self.values = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.frozen.append(frozen(self.model))
        self.values.append(values(self.model))


@pytest.mark.backend
def test_freezing_is_incremental_and_final(model, data):
    recorder = Recorder()
    model.fit(
        *data, batch_size=4, epochs=10, verbose=0, callbacks=[FreezeThresholds(0.25), recorder]
    )
    count = len(trained_quantizers(model))

    assert not recorder.frozen[19]  # a quarter of 80 steps
    assert len(recorder.frozen[71]) == count  # nine tenths
    for before, after in zip(recorder.frozen[:70], recorder.frozen[1:71], strict=True):
        assert before <= after
        assert len(after - before) <= 1
    for step in range(79):
        for name in recorder.frozen[step]:
            assert recorder.values[step + 1][name] == recorder.values[step][name]


def test_at_most_one_threshold_every_so_many_steps(model, data):  # check 59
    recorder = Recorder()
    model.fit(
        *data,
        batch_size=4,
        epochs=10,
        verbose=0,
        callbacks=[FreezeThresholds(10, every=5), recorder],
    )
    counts = [len(names) for names in recorder.frozen]
    assert counts[13] == 0
    assert all(counts[step] <= (step + 1 - 10) // 5 for step in range(14, 71))


def test_executions_of_many_steps_freeze_as_many_thresholds(model, data):
    model.steps_per_execution = 3  # 3, 3 and 2 of the 8 steps of an epoch
    recorder = Recorder()
    freeze = FreezeThresholds(10, every=2)
    model.fit(*data, batch_size=4, epochs=10, verbose=0, callbacks=[freeze, recorder])
    steps = [8 * epoch + step for epoch in range(10) for step in (3, 6, 8)]
    counts = dict(zip(steps, map(len, recorder.frozen), strict=True))
    assert not counts[11]
    assert 0 < counts[16] <= 3
    assert all(counts[step] <= (step - 10) // 2 for step in steps if 10 < step < 72)
    assert counts[72] == len(trained_quantizers(model))  # nine tenths


@pytest.mark.backend
def test_a_run_that_starts_at_a_later_epoch_freezes_all(model, data):
    recorder = Recorder()
    model.fit(
        *data,
        batch_size=4,
        initial_epoch=5,
        epochs=10,
        verbose=0,
        callbacks=[FreezeThresholds(0.5), recorder],
    )
    assert not recorder.frozen[19]  # half of 40 steps
    assert len(recorder.frozen[35]) == len(trained_quantizers(model))  # nine tenths


@pytest.mark.backend
def test_a_frozen_threshold_stays_after_reload_and_compile(model, data, tmp_path):
    run_step_by_step(model)
    model.fit(*data, batch_size=16, epochs=1, verbose=0)
    name = "head/kernel"
    quantizers(model)[name].frozen.assign(True)
    before = values(model)[name]
    model.save(tmp_path / "model.keras")
    for q in (model, keras.models.load_model(tmp_path / "model.keras")):
        run_step_by_step(q)
        q.fit(*data, batch_size=16, epochs=1, verbose=0)
        run_step_by_step(compiled(q))
        q.fit(*data, batch_size=16, epochs=1, verbose=0)
        assert values(q)[name] == before
        assert name in frozen(q)


@pytest.mark.parametrize("start", [1.0, -1, -0.1])
def test_freezing_checks_its_start(start):
    with pytest.raises(ValueError, match="Received: start="):
        FreezeThresholds(start)


@pytest.mark.parametrize(
    "optimizer", ["sgd", keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())]
)
def test_freezing_needs_the_optimizer_that_keeps_gradients(model, data, optimizer):
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy())
    with pytest.raises(ValueError, match=r"keras_alt.optimizers.alt.*Received: optimizer="):
        model.fit(*data, verbose=0, callbacks=[FreezeThresholds()])


def test_batch_norm_freezes_after_an_epoch(rng, data):  # check 60
    q = compiled(randomize(small(), rng), batch_norm="train")
    keras_alt.calibrate(q, data[0], verbose=False)
    norm = q.get_layer("conv2d").batch_norm
    start = norm.get_weights()[2]
    q.fit(*data, batch_size=8, epochs=1, verbose=0, callbacks=[FreezeBatchNorm()])
    after = norm.get_weights()[2:]
    assert (after[0] != start).any()
    q.fit(*data, batch_size=8, epochs=1, verbose=0)
    for a, b in zip(after, norm.get_weights()[2:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.backend
def test_batch_norm_freezes_at_a_step(rng, data):
    q = compiled(randomize(small(), rng), batch_norm="train")
    keras_alt.calibrate(q, data[0], verbose=False)
    run_step_by_step(q)
    q.fit(*data, batch_size=8, epochs=1, verbose=0, callbacks=[FreezeBatchNorm(2)])
    assert ops.convert_to_numpy(q.get_layer("conv2d").batch_norm.statistics_frozen.value)


def test_batch_norm_freezes_at_a_step_within_an_execution(rng, data):
    q = compiled(randomize(small(), rng), batch_norm="train")
    q.steps_per_execution = 4
    keras_alt.calibrate(q, data[0], verbose=False)
    q.fit(*data, batch_size=8, epochs=1, verbose=0, callbacks=[FreezeBatchNorm(2)])
    assert ops.convert_to_numpy(q.get_layer("conv2d").batch_norm.statistics_frozen.value)


def test_batch_norm_callback_needs_batch_norms(model, data):
    with pytest.raises(ValueError, match="batch_norm='train'"):
        model.fit(*data, verbose=0, callbacks=[FreezeBatchNorm()])


@pytest.mark.backend
@pytest.mark.usefixtures("eager")
def test_history_records_every_threshold(model, data, tmp_path):
    history = ThresholdHistory(tmp_path)
    before = values(model)
    model.fit(*data, batch_size=8, epochs=2, verbose=0, callbacks=[history])
    assert history.steps == list(range(9))
    assert {name: v[0] for name, v in history.history.items()} == before
    assert {name: v[-1] for name, v in history.history.items()} == values(model)
    assert len((tmp_path / "thresholds.csv").read_text().splitlines()) == 10
    history.plot(tmp_path / "thresholds.png")
    assert (tmp_path / "thresholds.png").stat().st_size > 10000


@pytest.mark.backend
@pytest.mark.usefixtures("eager")
def test_tensorboard_reads_what_the_history_holds(model, data, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = ThresholdHistory(tmp_path)
    model.fit(*data, batch_size=8, epochs=2, verbose=0, callbacks=[FreezeThresholds(1), history])
    read = EventAccumulator(str(tmp_path), {"scalars": 0}).Reload()
    scalars = {tag: read.Scalars(tag) for tag in read.Tags()["scalars"]}

    for name, values in history.history.items():
        found = scalars.pop(f"log2_threshold/{name}")
        assert [event.step for event in found] == history.steps
        assert [event.value for event in found] == pytest.approx(values)
    frozen = [event.value for event in scalars.pop("quantization/frozen thresholds")]
    when = [sum(step <= now for step in history.frozen.values()) for now in history.steps]
    assert frozen == pytest.approx([count / len(history.history) for count in when])
    assert frozen[-1] > 0
    assert {event.value for event in scalars.pop("quantization/frozen weights")} == {0.0}
    assert set(scalars) == {"quantization/oscillating scales"}


def test_a_scale_that_comes_back_oscillates(model):
    history = ThresholdHistory()
    log2_thresholds = [0.5, 0.9, 1.5, 1.6, 0.5, 1.5, 1.6, 2.5]
    shares = [
        history._oscillating({"a": np.array(value), "b": np.array([0.5, value])})
        for value in log2_thresholds
    ]
    assert shares == pytest.approx([0, 0, 0, 0, 2 / 3, 2 / 3, 0, 0])


def test_history_counts_the_steps_of_the_optimizer(model, data):
    model.steps_per_execution = 3
    history = ThresholdHistory()
    for _ in range(2):
        model.fit(*data, batch_size=4, epochs=1, verbose=0, callbacks=[history])
    assert history.steps == [0, 3, 6, 8, 11, 14, 16]
    assert int(model.optimizer.iterations) == 16


def test_history_of_a_run_of_unknown_length_is_bounded(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(threshold_history, "MOST_RECORDS", 8)
    history, recorder, before = ThresholdHistory(), Recorder(), values(model)

    class FreezeFirst(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            trained_quantizers(self.model)[0].frozen.assign(batch >= 4)

    batches = (tuple(part[i % 8 * 4 :][:4] for part in data) for i in range(37))
    callbacks = [FreezeFirst(), history, recorder]
    model.fit(batches, epochs=1, verbose=0, callbacks=callbacks)

    assert history.steps == [0, 8, 16, 24, 32, 37]
    every = [before, *recorder.values]
    for name, recorded in history.history.items():
        assert recorded == [every[step][name] for step in history.steps]
    assert list(history.frozen.values()) == [5]  # that record was dropped
    history.plot(tmp_path / "thresholds.png")


@pytest.mark.usefixtures("eager")
def test_the_model_before_training_can_be_best(model, data, tmp_path):
    path = tmp_path / "best.weights.h5"
    best = BestCheckpoint(path, monitor="val_loss", validation_data=data, mode="max")
    before = outputs(model, data[0])[0]
    model.fit(*data, batch_size=8, verbose=0, validation_data=data, callbacks=[best])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns if it skips the variables of the optimizer
        best.restore()
    np.testing.assert_array_equal(outputs(model, data[0])[0], before)
    assert int(model.optimizer.iterations) == 0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.backend
def test_a_better_epoch_replaces_the_best(model, data, tmp_path):
    best = BestCheckpoint(tmp_path / "best.keras", monitor="val_loss", validation_data=data)
    run_step_by_step(model)
    history = model.fit(
        *data, batch_size=16, epochs=4, verbose=0, validation_data=data, callbacks=[best]
    )
    assert best.best <= min(history.history["val_loss"])
    again = keras.models.load_model(tmp_path / "best.keras")
    run_step_by_step(again)
    loss = again.evaluate(*data, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(best.best, rel=1e-4)


MINIMIZED = ["loss", "mae", "MSE", "out_rmse", "mean_squared_error", "KLDivergence", "logcosh"]
MAXIMIZED = ["accuracy", "himself_accuracy", "auc", "f1_score", "cosine_similarity", "recall"]


@pytest.mark.parametrize(
    ("metric", "best"), [(m, 1.0) for m in MINIMIZED] + [(m, 3.0) for m in MAXIMIZED]
)
def test_losses_and_errors_are_minimized(metric, best, tmp_path):
    monitor = f"val_{metric}"
    checkpoint = BestCheckpoint(tmp_path / "best.weights.h5", monitor=monitor)
    checkpoint.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    for epoch, value in enumerate((2.0, 1.0, 3.0)):
        checkpoint.on_epoch_end(epoch, {monitor: value})
    assert checkpoint.best == best


@pytest.mark.usefixtures("eager")
def test_best_checkpoint_says_what_is_wrong(model, data, tmp_path):
    with pytest.raises(ValueError, match="must end in"):
        BestCheckpoint(tmp_path / "best.h5")
    with pytest.raises(ValueError, match="monitor='val_accuracy'"):
        model.fit(*data, verbose=0, callbacks=[BestCheckpoint(tmp_path / "best.keras")])
    with pytest.raises(ValueError, match="Nothing has been saved"):
        BestCheckpoint(tmp_path / "best.keras").restore()


@pytest.mark.parametrize("make", [FreezeThresholds, ThresholdHistory])
def test_callbacks_need_quantizers(make, rng, data):
    model = small()
    model.compile(keras_alt.optimizers.alt(), keras.losses.SparseCategoricalCrossentropy())
    with pytest.raises(ValueError, match="expects a model with"):
        model.fit(*data, verbose=0, callbacks=[make()])
