"""Quantize and train a network on several devices or processes, and print how the time scales.

Examples:

    python examples/distributed.py --strategy mirrored
    python examples/distributed.py --strategy multi-worker --workers 1 2
    python examples/distributed.py --strategy data-parallel --epochs 5
    python examples/distributed.py --strategy data-processes
    python examples/distributed.py --strategy torch --batch-size 512

The strategies are `tf.distribute.MirroredStrategy` and `MultiWorkerMirroredStrategy`,
`keras.distribution.DataParallel` on JAX, in one process or in several, and
`DistributedDataParallel` on torch, which needs the extra of its backend. All processes run on this
machine, and each worker has one core. Every worker calibrates on its shard of the images, the
training is that of one device at the same batch size, and a run that is started again goes on from
its last whole epoch. Prints a table and writes distributed.json to the output folder.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

BACKENDS = {
    "mirrored": "tensorflow",
    "multi-worker": "tensorflow",
    "data-parallel": "jax",
    "data-processes": "jax",
    "torch": "torch",
}
PROCESS_EACH = ("multi-worker", "data-processes", "torch")  # a process for each worker
TRAINING_IMAGES = 1536


def main():
    options = parse()
    if options.rank is not None:
        work(options)
        return
    options.output.mkdir(parents=True, exist_ok=True)
    rows = [measured(workers, options) for workers in options.workers]
    print(f"\n{options.strategy}, batch {options.batch_size}, {TRAINING_IMAGES} images")
    print("workers  seconds per epoch  images/s  speed-up  test accuracy  codes differ")
    for row in rows:
        row["speed_up"] = rows[0]["seconds_per_epoch"] / row["seconds_per_epoch"]
        print(
            f"{row['workers']:7}  {row['seconds_per_epoch']:17.2f}  {row['images_per_second']:8.0f}"
            f"  {row['speed_up']:8.2f}  {row['accuracy']:13.3f}  {row['codes_differ']:12}"
        )
    path = options.output / "distributed.json"
    path.write_text(json.dumps({"strategy": options.strategy, "runs": rows}, indent=1) + "\n")
    print(f"written: {path}")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategy", choices=BACKENDS, default="mirrored")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers to compare")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=256, help="of all workers together")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/distributed"))
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for workers in options.workers:
        if workers < 1 or options.batch_size % workers:
            parser.error(f"--batch-size must be a multiple of --workers. Received: {workers}")
    return options


def measured(workers, options):
    """Run the processes of a number of workers; return a row of the table."""
    processes = workers if options.strategy in PROCESS_EACH else 1
    hosts = [f"127.0.0.1:{free_port()}" for _ in range(processes)]
    words = ["--strategy", options.strategy, "--workers", workers, "--epochs", options.epochs]
    words += ["--batch-size", options.batch_size, "--output", options.output]
    started = [
        subprocess.Popen(
            [sys.executable, __file__, *map(str, words), "--rank", str(rank)],
            env={**os.environ, **environment(options.strategy, workers, rank, hosts)},
        )
        for rank in range(processes)
    ]
    try:
        codes = [process.wait() for process in started]
    finally:
        for process in started:
            process.kill()
    if any(codes):
        raise SystemExit(f"a worker of {options.strategy} ended with the codes {codes}")
    return json.loads((options.output / f"{options.strategy}-{workers}.json").read_text())


def environment(strategy, workers, rank, hosts):
    """Return the variables by which a process finds its devices and the others."""
    found = {"KERAS_BACKEND": BACKENDS[strategy], "TF_CPP_MIN_LOG_LEVEL": "3"}
    if strategy == "multi-worker" and workers > 1:
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": rank}}
        found["TF_CONFIG"] = json.dumps(task)
    if strategy == "data-parallel":
        found["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={workers}"
    if strategy == "data-processes":
        found["JAX_HOSTS"] = ",".join(hosts)
    if strategy == "torch":
        address, port = hosts[0].split(":")
        found |= {"MASTER_ADDR": address, "MASTER_PORT": port}
        found |= {"WORLD_SIZE": str(workers), "RANK": str(rank)}
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def work(options):
    """Train in this process; the first one writes its row of the table."""
    (workers,) = options.workers
    if hasattr(os, "sched_setaffinity"):  # one core for each worker, so that the times compare
        cores = sorted(os.sched_getaffinity(0))
        mine = [options.rank] if options.strategy in PROCESS_EACH else range(workers)
        os.sched_setaffinity(0, {cores[i % len(cores)] for i in mine})

    import keras

    import keras_alt

    (x, y), test = digits()
    with scope(options.strategy, workers, options.rank):
        q = quantized(shard(x, options, workers), options, len(x))
    timer, saved = epoch_timer(), backup(options, workers)
    callbacks = [keras_alt.callbacks.FreezeThresholds(), timer, saved]
    if options.strategy == "torch":
        train_torch(q, x, y, options, workers, callbacks, saved.epochs)
    else:
        steps = len(x) // options.batch_size
        data = batches(x, y, options).repeat()  # JAX shares them out, and then cannot count them
        run = {"epochs": options.epochs, "steps_per_epoch": steps, "callbacks": callbacks}
        q.fit(data, **run, verbose=0)
    if options.rank == 0:
        os.remove(saved.path)  # so that the next run is a new one
        predicted = keras.ops.convert_to_numpy(q(test[0], training=False)).argmax(-1)
        seconds = statistics.median(timer.seconds[1:] or timer.seconds)
        row = {
            "workers": workers,
            "seconds_per_epoch": seconds,
            "images_per_second": len(x) / seconds,
            "accuracy": float((predicted == test[1]).mean()),
            "codes_differ": keras_alt.verify(
                q, test[0], engine="integer", verbose=False
            ).mismatches,
            "versions": {"keras": keras.__version__, "backend": keras.backend.backend()},
        }
        path = options.output / f"{options.strategy}-{workers}.json"
        path.write_text(json.dumps(row, indent=1))


def digits():
    """Return images and labels for training and for testing."""
    import numpy as np
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:TRAINING_IMAGES], order[TRAINING_IMAGES:]
    return (x[train], y[train]), (x[test], y[test])


def scope(strategy, workers, rank):
    """Set up the devices; return the context in which the model is made."""
    import keras

    if strategy == "mirrored":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        devices = workers * [tf.config.LogicalDeviceConfiguration()]
        tf.config.set_logical_device_configuration(cpu, devices)
        return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(workers)]).scope()
    if strategy == "multi-worker":
        import tensorflow as tf

        return tf.distribute.MultiWorkerMirroredStrategy().scope()
    if strategy == "data-processes" and workers > 1:
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize(os.environ["JAX_HOSTS"], workers, rank)
    if BACKENDS[strategy] == "jax":
        # With one device, a step under a distribution takes seven times as long on one core, that
        # of a float network, too.
        if workers > 1:
            keras.distribution.set_distribution(keras.distribution.DataParallel())
    else:
        import torch

        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo")
    return contextlib.nullcontext()


def shard(x, options, workers):
    """Return what a process calibrates on: every batch of 32 goes to one of them."""
    if options.strategy not in PROCESS_EACH:
        return x
    batches = x.reshape(-1, 32, *x.shape[1:])
    return batches[options.rank :: workers].reshape(-1, *x.shape[1:])


def quantized(images, options, count):
    """Return a calibrated and compiled model. All processes have the same seed."""
    import keras

    import keras_alt

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    q = keras_alt.quantize_model(model)
    gather = keras_alt.calibration.all_gather
    keras_alt.calibrate(q, images, samples=len(images), verbose=False, all_gather=gather)
    steps = options.epochs * (count // options.batch_size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    q.compile(keras_alt.optimizers.alt(2e-3, steps=steps), loss, jit_compile="auto")
    return q


def batches(x, y, options):
    """Return the training data; each strategy shares out every batch."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=0)
    return data.batch(options.batch_size, drop_remainder=True)


def epoch_timer():
    import keras

    class EpochTimer(keras.callbacks.Callback):
        """Measures every epoch."""

        seconds = []

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append(time.perf_counter() - self.started)

    return EpochTimer()


def backup(options, workers):
    import keras_alt

    class Backup(keras_alt.callbacks.Backup):
        """Restores on every process, and saves on the first."""

        def on_epoch_end(self, epoch, logs=None):
            if options.rank == 0:
                super().on_epoch_end(epoch, logs)

    return Backup(options.output / f"backup-{options.strategy}-{workers}.weights.h5")


def train_torch(q, x, y, options, workers, callbacks, done):
    """Train in a loop from an epoch on, each process on its part of every batch."""
    import keras
    import numpy as np
    import torch

    parallel = torch.nn.parallel.DistributedDataParallel(q)
    variables = q.trainable_variables
    q.optimizer.build(variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    steps = len(x) // options.batch_size
    every = keras.callbacks.CallbackList(callbacks, model=q, epochs=options.epochs, steps=steps)
    every.on_train_begin()
    for epoch in range(done, options.epochs):
        every.on_epoch_begin(epoch)
        order = np.random.default_rng(epoch).permutation(len(x)).reshape(steps, workers, -1)
        for step in range(steps):
            mine = order[step, options.rank]
            q.zero_grad()
            logits = parallel(torch.from_numpy(x[mine]), training=True)
            loss_of(torch.from_numpy(y[mine]), logits).backward()
            with torch.no_grad():
                q.optimizer.apply([v.value.grad for v in variables], variables)
            every.on_train_batch_end(step, {})
        every.on_epoch_end(epoch, {})
    every.on_train_end({})


if __name__ == "__main__":
    main()
