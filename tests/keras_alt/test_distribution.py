"""Training on several devices is training on one."""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
from distributed_training import PROCESSES, run

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "distributed.py"
pytestmark = pytest.mark.full  # every process starts for ten seconds

STRATEGIES = {
    "tensorflow": ["mirrored", "multi-worker"],
    "jax": ["data", "model", "data-processes"],
    "torch": ["torch"],
}[keras.backend.backend()]
KILLED = {"tensorflow": ["multi-worker"], "jax": ["model", "data-processes"], "torch": ["torch"]}


@functools.cache
def results(strategy):
    """Return what each process of a strategy has trained."""
    with tempfile.TemporaryDirectory() as folder:
        return run(strategy, folder, keras.backend.backend())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_devices_train_what_one_trains(strategy):
    (one,) = results("one")
    for many in results(strategy):
        for name, expected in one.items():
            np.testing.assert_allclose(many[name], expected, rtol=2e-5, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradients_of_thresholds_are_those_of_the_whole_batch(strategy):
    # Adam forgets the scale of a gradient, so the losses do not show a factor; its state does.
    (one,) = results("one")
    for many in results(strategy):
        moved = one["velocity"] > 0
        assert moved.any()
        np.testing.assert_allclose(
            many["velocity"][moved], one["velocity"][moved], rtol=1e-3, err_msg=strategy
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_calibration_does_not_depend_on_the_devices(strategy):
    (one,) = results("one")
    for many in results(strategy):
        np.testing.assert_array_equal(many["calibrated"], one["calibrated"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_replica_ends_with_the_same_integers(strategy):
    first, *others = results(strategy)
    assert first["mismatches"] == 0
    assert first["frozen"].all()
    assert (first["zeros"] >= 0.5).all()
    for other in others:
        for name, expected in first.items():
            np.testing.assert_array_equal(other[name], expected, err_msg=name)


@pytest.mark.parametrize("strategy", KILLED[keras.backend.backend()])
def test_a_killed_run_resumes_from_its_checkpoint(strategy, tmp_path):
    backend = keras.backend.backend()
    run(strategy, tmp_path, backend, kill=True)

    resumed = run(strategy, tmp_path, backend)

    for whole, part in zip(results(strategy), resumed, strict=True):
        assert len(part["loss"]) == len(whole["loss"]) - 2
        for name, expected in whole.items():
            expected = expected[2:] if name == "loss" else expected
            np.testing.assert_allclose(part[name], expected, rtol=2e-5, atol=2e-6, err_msg=name)


@pytest.mark.tensorflow_only
def test_the_example_compares_one_worker_with_two(tmp_path):
    command = [sys.executable, EXAMPLE, "--strategy", "multi-worker", "--epochs", "2"]
    subprocess.run([*command, "--output", tmp_path], check=True)

    one, two = json.loads((tmp_path / "distributed.json").read_text())["runs"]

    assert (one["workers"], two["workers"]) == (1, 2)
    assert one["codes_differ"] == two["codes_differ"] == 0
    assert abs(one["accuracy"] - two["accuracy"]) < 0.05


def test_every_strategy_is_tested():
    on_jax = {"data", "model", "data-processes"}
    assert {*PROCESSES} == {"one", "mirrored", "multi-worker", "torch", *on_jax}
