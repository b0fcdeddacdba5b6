"""Tell what Vela makes of exported networks on an Ethos-U: operators, memory and cycles.

    python benchmarks/npu.py --data DIR --networks resnet8 kws

`DIR` is that of `real_networks.py`. Networks are calibrated for target `tflm`, not trained.
Each is exported with its softmax, and without.
"""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from real_networks import add_arguments, calibrated

import keras_alt
from keras_alt.engines.ethos_u import ethos_costs


def main():
    options = arguments()
    print("| network | accelerator | on the NPU | on the CPU | SRAM | flash | cycles | ms |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.networks:
        for head in ("softmax", "linear"):
            _, quantized, _ = calibrated(name, "tflm", options.data, options.samples, head)
            with tempfile.TemporaryDirectory() as folder:
                path = keras_alt.export.to_litert(quantized, f"{folder}/net.tflite")
                for accelerator in options.accelerators:
                    row(f"{name}, {head}", ethos_costs(path, accelerator))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, ("resnet8", "kws"), samples=64)
    parser.add_argument("--accelerators", nargs="+", default=["ethos-u55-128", "ethos-u65-256"])
    return parser.parse_args()


def row(name, costs):
    left = ", ".join(key.split()[0] for key in costs.reasons) or "none"
    of = f"{costs.on_npu} of {costs.on_npu + costs.on_cpu}"
    numbers = f"{costs.sram:,} | {costs.flash:,} | {costs.cycles:,} | {costs.milliseconds:.2f}"
    print(f"| {name} | {costs.accelerator} | {of} | {left} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
