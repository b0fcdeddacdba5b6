"""One process of a training on several devices, and the training of all of them.

`run` starts the processes of a strategy. Each process trains the same network on the same data and
writes what came out to `FOLDER/RANK.npz`; the tests compare.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import numpy as np

EPOCHS, STEPS, BATCH = 4, 4, 8  # of a run, of an epoch, of all devices together
PROCESSES = {
    "one": 1,
    "mirrored": 1,
    "multi-worker": 2,
    "data": 1,
    "model": 1,
    "data-processes": 2,
    "torch": 2,
}
SHARDED = ("mirrored", "multi-worker", "data-processes")  # the data come as a `tf.data.Dataset`
TIMEOUT = 900
# On a busy machine, the threads of two devices wait for each other longer than the usual 40 s.
TWO_DEVICES = (
    "--xla_force_host_platform_device_count=2 "
    f"--xla_cpu_collective_call_terminate_timeout_seconds={TIMEOUT}"
)


def run(strategy, folder, backend, kill=False):
    """Run the processes of a strategy to their end.

    Args:
        strategy: key of `PROCESSES`.
        folder: for results and checkpoints.
        backend: of Keras.
        kill: whether the last process is killed in its third epoch; the others, which wait for it,
            are then killed too.

    Returns:
        A dict of arrays for each process; none if `kill`.
    """
    count = PROCESSES[strategy]
    ports = [_free_port() for _ in range(count)]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, strategy, str(rank), str(folder), str(int(kill))],
            env={**os.environ, **_environment(strategy, rank, ports), "KERAS_BACKEND": backend},
        )
        for rank in range(count)
    ]
    try:
        last = processes[-1].wait(TIMEOUT)
        if kill:
            assert last == -signal.SIGKILL
            return []
        assert [process.wait(TIMEOUT) for process in processes] == [0] * count
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [dict(np.load(pathlib.Path(folder, f"{rank}.npz"))) for rank in range(count)]


def _environment(strategy, rank, ports):
    hosts = [f"127.0.0.1:{port}" for port in ports]
    task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": rank}}
    return {
        "one": {},
        "mirrored": {},
        "multi-worker": {"TF_CONFIG": json.dumps(task)},
        "data": {"XLA_FLAGS": TWO_DEVICES},
        "model": {"XLA_FLAGS": TWO_DEVICES},
        "data-processes": {"JAX_HOSTS": ",".join(hosts)},
        "torch": {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(ports[0]),
            "WORLD_SIZE": str(len(ports)),
            "RANK": str(rank),
        },
    }[strategy]


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def entered(strategy, rank):
    """Set up the devices of this process; return the context in which models are made."""
    import contextlib

    import keras

    if strategy == "mirrored":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        two = 2 * [tf.config.LogicalDeviceConfiguration()]
        tf.config.set_logical_device_configuration(cpu, two)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
    if strategy == "multi-worker":
        import tensorflow as tf

        return tf.distribute.MultiWorkerMirroredStrategy().scope()
    if strategy == "data-processes":
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize(os.environ["JAX_HOSTS"], PROCESSES[strategy], rank)
    if strategy in ("data", "data-processes"):
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    if strategy == "model":
        devices = keras.distribution.list_devices()
        layouts = keras.distribution.LayoutMap(
            keras.distribution.DeviceMesh((1, 2), ("batch", "model"), devices)
        )
        layouts["hidden/kernel"] = (None, "model")
        layouts["head/kernel"] = ("model", None)
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
        )
    if strategy == "torch":
        import torch

        torch.distributed.init_process_group("gloo")
    return contextlib.nullcontext()


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH * STEPS, 8)).astype("float32")
    return x, x[:, :2] - x[:, 2:4]


def shard(strategy, rank, x):
    """Return the batches of `x` that a process calibrates on."""
    batches = x.reshape(-1, BATCH, x.shape[1])
    return np.concatenate(batches[rank :: PROCESSES[strategy]])


def quantized(strategy, rank):
    """Return a calibrated and compiled model."""
    import keras

    import keras_alt

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(8, "relu", name="hidden"),
            keras.layers.Dense(2, name="head"),
        ]
    )
    q = keras_alt.quantize_model(model)
    x, _ = data()
    part = shard(strategy, rank, x)
    all_gather = keras_alt.calibration.all_gather
    keras_alt.calibrate(q, part, batch_size=BATCH, verbose=False, all_gather=all_gather)
    optimizer = keras_alt.optimizers.alt(1e-2, 1e-2, steps=EPOCHS * STEPS)
    q.compile(optimizer, "mse", metrics=["mae"], jit_compile=False)
    return q


def batches(strategy):
    """Return what `fit` trains on, in the same order on every backend."""
    x, y = data()
    if strategy not in SHARDED:
        return {"x": x, "y": y, "batch_size": BATCH}
    import tensorflow as tf

    return {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)}


def callbacks(strategy, rank, folder, kill):
    import keras

    import keras_alt

    class Backup(keras_alt.callbacks.Backup):
        """Restores on every worker, and saves on the first."""

        def on_epoch_end(self, epoch, logs=None):
            if rank == 0:
                super().on_epoch_end(epoch, logs)

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 2 * STEPS + 2:
                os.kill(os.getpid(), signal.SIGKILL)

    found = [
        keras_alt.callbacks.FreezeThresholds(start=STEPS),
        keras_alt.callbacks.Prune(lambda step: (step >= STEPS, 0.5)),
        keras_alt.callbacks.FreezeOscillating(),
    ]
    if strategy != "torch":
        path = pathlib.Path(folder, f"best{rank}.keras")
        validation = data() if strategy not in SHARDED else batches(strategy)["x"]
        found.append(keras_alt.callbacks.BestCheckpoint(path, "val_loss", validation, batch_size=8))
    found.append(Backup(pathlib.Path(folder, "backup.weights.h5")))
    if kill and rank == PROCESSES[strategy] - 1:
        found.append(Killed())
    return found


def fitted(q, strategy, callbacks, epochs):
    """Train by `fit`; return the losses of the epochs."""
    train = batches(strategy)
    validation = {"validation_data": train["x"]}
    if strategy not in SHARDED:
        validation = {"validation_data": data(), "validation_batch_size": BATCH, "shuffle": False}
    if strategy == "data-processes":  # Keras shares out the batches, and then cannot count them
        train = {"x": train["x"].repeat(), "steps_per_epoch": STEPS}
    history = q.fit(**train, **validation, epochs=epochs, verbose=0, callbacks=callbacks)
    return history.history["loss"]


def refused(q):
    """Check that `fit` does not train the processes of a group apart from each other."""
    try:
        q.fit(*data(), verbose=0)
    except NotImplementedError as error:
        assert "DistributedDataParallel" in str(error)
    else:
        raise AssertionError("`fit` trained one process of two")


def looped(q, rank, callbacks, epochs):
    """Train on torch in an own loop, each process on its part of every batch."""
    import keras
    import torch

    parallel = torch.nn.parallel.DistributedDataParallel(q)
    variables = q.trainable_variables
    q.optimizer.build(variables)
    x, y = (torch.from_numpy(a).reshape(STEPS, 2, BATCH // 2, -1) for a in data())
    every = keras.callbacks.CallbackList(callbacks, model=q, epochs=epochs, steps=STEPS)
    every.on_train_begin()
    losses = []
    for epoch in range(q._initial_epoch or 0, epochs):
        every.on_epoch_begin(epoch)
        total = torch.zeros(())
        for step in range(STEPS):
            q.zero_grad()
            outputs = parallel(x[step, rank], training=True)
            loss = keras.losses.mean_squared_error(y[step, rank], outputs).mean()
            loss.backward()
            with torch.no_grad():
                q.optimizer.apply([v.value.grad for v in variables], variables)
            total += loss.detach()
            every.on_train_batch_end(step, {})
        torch.distributed.all_reduce(total)
        losses.append(float(total) / STEPS / 2)
        every.on_epoch_end(epoch, {})
    every.on_train_end({})
    return losses


def main(strategy, rank, folder, kill):
    import keras

    import keras_alt

    keras.config.disable_traceback_filtering()
    x, _ = data()
    with entered(strategy, rank):
        q = quantized(strategy, rank)
        calibrated = [keras.ops.convert_to_numpy(t.log2_threshold) for t in _quantizers(q)]
    train = looped if strategy == "torch" else fitted
    who = rank if strategy == "torch" else strategy
    if strategy == "torch":
        refused(q)
    loss = train(q, who, callbacks(strategy, rank, folder, kill), EPOCHS)
    sums = q.optimizer.threshold_optimizer
    evaluated = q.evaluate(**batches(strategy), verbose=0)[0]
    proof = keras_alt.verify(q, x, engine="integer", verbose=False)
    np.savez(
        pathlib.Path(folder, f"{rank}.npz"),
        calibrated=calibrated,
        loss=loss,
        evaluated=evaluated,
        mismatches=proof.mismatches,
        thresholds=[keras.ops.convert_to_numpy(t.log2_threshold) for t in _quantizers(q)],
        frozen=[bool(keras.ops.convert_to_numpy(t.frozen)) for t in _quantizers(q)],
        momentum=keras.ops.convert_to_numpy(sums.momentum),
        zeros=[np.mean(q.get_layer(name).get_weights()[0] == 0) for name in ("hidden", "head")],
        velocity=keras.ops.convert_to_numpy(sums.velocity),
        **{f"weight {i}": np.float32(w) for i, w in enumerate(q.get_weights())},
    )
    if rank == 0:
        q.save(pathlib.Path(folder, "trained.keras"))


def _quantizers(model):
    import keras_alt

    return keras_alt.quantizers(model).values()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "1")
