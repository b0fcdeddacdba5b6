"""Measure the speed of the router: nets drawn, learned, scored and routed in a second.

Example:

    python benchmarks/router.py
    python benchmarks/router.py --rounds 5 --threads 1

Prints nets per second: drawn into memory, drawn into an HDF5 file, decoded from scores by `decode`,
and turned into `Net` by the part of `route` after the network. Then prints, for one thread and for
two, the milliseconds of a training step at batch 100 and the microseconds of scoring a net.

If torch is installed, the published network also runs in PyTorch, with the same weights and
batches. Keras and PyTorch take turns. Before the timing, their scores are checked to be equal.
Ratios are ratios of medians of one run. PyTorch computes with oneDNN, and so does TensorFlow here.
TF_ENABLE_ONEDNN_OPTS=0 measures TensorFlow without it.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow turns oneDNN off on processors without VNNI, but its convolutions are faster there.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

import keras_route
from keras_route.models.comparator import SCORES, decide
from keras_route.pins import pins_of
from keras_route.routing.decode import decode
from keras_route.routing.pins_to_nets import finish

BATCH = 100
ROUTED = 1000  # nets; `route` decodes about as many at once
# The published generator and network on a machine with two cores of an AMD EPYC.
REFERENCE = {
    "drawn into memory": "18,000-27,000",
    "drawn into HDF5": "3,600",
    "training step": "367 ms on one thread, 258 ms on two",
    "scoring": "720 us on one thread, 370 us on two",
}


def main():
    options = parse()
    if options.in_process:
        return networks(options.threads[0], options.rounds)
    rates(options)
    for threads in options.threads:
        print(flush=True)
        in_a_process(threads, options.rounds)
    return None


def rates(options):
    """Print the nets per second of the steps without a network."""
    x, labels = keras_route.generate(ROUTED, seed=1, deduplicate=True)
    pins = pins_of(x)
    rng = np.random.default_rng(0)
    odds = (8.0 * labels - 4 + rng.normal(0, 2, labels.shape)).astype("float32")
    drawn = options.nets
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "nets.h5"
        jobs = {
            "drawn into memory": (drawn, lambda: keras_route.generate(drawn)),
            "drawn into HDF5": (drawn, lambda: keras_route.write_hdf5(file, drawn, verbose=False)),
            "decoded": (ROUTED, lambda: decode(odds, pins)),
            "decoded, as Net": (ROUTED, lambda: finish(odds, pins, [None] * ROUTED)),
        }
        times = interleaved({name: job for name, (_, job) in jobs.items()}, options.rounds)
    print("nets per second on one core, median and best")
    for name, seconds in times.items():
        median, best = (jobs[name][0] / s for s in (np.median(seconds), min(seconds)))
        known = f"  published: {REFERENCE[name]}" if name in REFERENCE else ""
        print(f"  {name:18}{median:10,.0f}{best:10,.0f}{known}")


def networks(threads, rounds):
    """Print the times of the networks on a number of threads, and PyTorch's if installed."""
    keras.utils.set_random_seed(0)
    published = keras_route.FCNRouter(height=32, width=32)
    router = keras_route.Router()
    x, y = keras_route.generate(BATCH, seed=2)
    steps, scorers = {}, {}
    for name, model in (("FCNRouter", published), ("Router", router)):
        model.compile(
            keras.optimizers.Adam(5e-4, epsilon=1e-8),
            keras_route.losses.ScoreCrossEntropy(),
            jit_compile=keras.backend.backend() == "jax",
        )
        steps[name] = lambda model=model: model.train_on_batch(x, y)
        scorers[name] = lambda model=model: decide(model.predict_on_batch(x))
    if importlib.util.find_spec("torch"):
        port = Port(threads)
        published.load_torch(port.network.state_dict())
        apart = np.abs(published.predict_on_batch(x) - port.scores(x)).max()
        print(f"the PyTorch port has the same weights; its scores differ by {apart:.1e} at most")
        if apart > 1e-4:
            raise SystemExit("the port is another network")
        steps["PyTorch port"] = lambda: port.step(x, y)
        scorers["PyTorch port"] = lambda: decide(port.scores(x))
    for title, jobs, unit, scale in (
        ("training step", steps, "ms", 1e3),
        ("scoring", scorers, "us", 1e6 / BATCH),
    ):
        show(title, interleaved(jobs, rounds), threads, unit, scale)


def show(title, times, threads, unit, scale):
    each = f"a {title} at batch {BATCH}" if title == "training step" else f"{title} a net"
    print(f"{each} on {threads} thread{'s' * (threads > 1)}; published: {REFERENCE[title]}")
    port = times.get("PyTorch port")
    for name, seconds in times.items():
        ratio = f"{np.median(seconds) / np.median(port):8.2f} x PyTorch" if port else ""
        median, best = scale * np.median(seconds), scale * min(seconds)
        print(f"  {name:14}{median:9.1f} {unit} (best {best:.1f}){ratio}", flush=True)


class Port:
    """The published network and its training in PyTorch, as in the authors' code."""

    def __init__(self, threads):
        import torch
        from torch import nn

        torch.manual_seed(0)
        torch.set_num_threads(threads)
        self.torch = torch
        layers = []
        for stage in range(1, 15):
            kernel = 33 if stage == 1 else 3
            layers += [
                nn.Conv2d(1 if stage == 1 else 16, 16, kernel, padding=kernel // 2),
                nn.BatchNorm2d(16),
                nn.LeakyReLU(),
            ]
        self.network = nn.Sequential(*layers, nn.Conv2d(16, SCORES, 3, padding=1))
        self.loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))
        self.optimizer = torch.optim.Adam(self.network.parameters(), 5e-4, weight_decay=1e-5)

    def step(self, x, y):
        self.network.train()
        scores = self.network(self._images(x)).permute(0, 2, 3, 1).reshape(-1, 2)
        loss = self.loss(scores, self.torch.from_numpy(y).long().reshape(-1))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def scores(self, x):
        self.network.eval()
        with self.torch.no_grad():
            return self.network(self._images(x)).permute(0, 2, 3, 1).numpy()

    def _images(self, x):
        return self.torch.from_numpy(x).permute(0, 3, 1, 2).float()


def interleaved(jobs, rounds):
    """Return the seconds of each job. The jobs take turns, after one round of warm-up."""
    times = {name: [] for name in jobs}
    for _ in range(1 + rounds):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - started)
    return {name: seconds[1:] for name, seconds in times.items()}


def in_a_process(threads, rounds):
    """Run `networks` in a new process: libraries read the number of threads when loaded."""
    numbers = dict.fromkeys(
        ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), str(threads)
    )
    command = [sys.executable, __file__, "--in-process", "--threads", threads, "--rounds", rounds]
    subprocess.run(list(map(str, command)), env={**os.environ, **numbers}, check=True)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="measurements of each figure")
    parser.add_argument("--nets", type=int, default=10_000, help="to draw")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of the networks")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
