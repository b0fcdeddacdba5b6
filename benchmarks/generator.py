"""Nets a second that `keras_route` draws, on one core.

Example:

    python benchmarks/generator.py --nets 20000

`router.py` also measures the decoder and the networks.
"""

import argparse
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measuring

import keras_route


def main():
    options = parse()
    measuring.tell_environment()
    count = options.nets
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "nets.h5"
        jobs = {
            "memory": lambda: keras_route.generate(count),
            "memory, distinct": lambda: keras_route.generate(count, deduplicate=True),
            "HDF5": lambda: keras_route.write_hdf5(file, count, verbose=False),
        }
        measuring.progress(f"{count} nets, {options.rounds} times each")
        times = measuring.interleaved(jobs, options.rounds)
    rows = []
    print(f"{'nets a second into':20}{'median':>10}{'least':>10}{'most':>10}")
    for name, values in times.items():
        row = {"into": name, "nets": count, **measuring.statistics(values)}
        rates = [1e3 * count / row[key] for key in ("median_ms", "max_ms", "min_ms")]
        row |= dict(zip(("nets_s", "nets_s_least", "nets_s_most"), rates, strict=True))
        print(f"{name:20}" + "".join(f"{rate:10,.0f}" for rate in rates))
        rows.append(row)
    measuring.write(options.output, rows)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    measuring.add_output(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
