"""Seconds of `quantize_model` against `clone_model`, by turns in one process.

Example:

    python benchmarks/quantize.py --networks mobilenet_v2 resnet50
"""

import argparse
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
from step_networks import NETWORKS

import keras_alt

TARGETS = ("litert", "paper")


def main():
    options = parse()
    measuring.tell_environment()
    print(f"{'':14}{'':14}{'layers':>8}{'ms':>9}{'min':>9}{'max':>9}{'x clone':>9}")
    rows = []
    for network in options.networks:
        model = NETWORKS[network](keras)
        jobs = {"clone_model": lambda model=model: keras.models.clone_model(model)}
        for target in TARGETS:
            config = keras_alt.QuantizeConfig(target=target)
            jobs[target] = functools.partial(keras_alt.quantize_model, model, config)
        measuring.progress(f"{network}, {options.rounds} times each")
        times = measuring.interleaved(jobs, options.rounds)
        of_network = {name: measuring.statistics(values) for name, values in times.items()}
        for name, row in of_network.items():
            row |= {"network": network, "call": name, "layers": len(model.layers)}
            row["x_clone"] = measuring.ratio(of_network, name, "clone_model")
            print(
                f"{network:14}{name:14}{row['layers']:8}{row['median_ms']:9.0f}"
                f"{row['min_ms']:9.0f}{row['max_ms']:9.0f}{row['x_clone']:9.2f}",
                flush=True,
            )
            rows.append(row)
    measuring.write(options.output, rows)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    measuring.add_output(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
