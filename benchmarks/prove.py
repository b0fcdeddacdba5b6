"""Prove real networks on several engines: count the codes that differ from those of Keras.

    python benchmarks/prove.py --data DIR --networks resnet8 --targets tflm paper --samples 100

`DIR` is that of `real_networks.py`. Networks are calibrated, not trained. Codes are those of every
quantizer and output. Keras computes them once for all engines of a target; the exported C counts as
an engine for each compiler. The cell of an engine that a target does not have stays empty.
"""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from real_networks import add_arguments, calibrated

from keras_alt.engines import ENGINES
from keras_alt.proving import Proof, Samples, read_for
from keras_alt.targets import TARGETS

BATCH = 32


def main():
    options = arguments()
    columns = [f"c, {compiler}" for compiler in options.compilers] + options.engines
    header = ["network", "target", "samples", "codes", *columns, "seconds of CPU"]
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|", flush=True)
    for name in options.networks:
        for target in options.targets:
            _, quantized, x = calibrated(name, target, options.data, options.samples)
            start = cpu_seconds()
            counts = differences(quantized, x, options.compilers, options.engines)
            spent = f"{cpu_seconds() - start:.0f}"
            (total,) = {total for _, total in counts.values()}
            shown = [f"{counts[c][0]}" if c in counts else "" for c in columns]
            print(
                f"| {name} | `{target}` | {len(x)} | {total:,} | {' | '.join(shown)} | {spent} |",
                flush=True,
            )


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--compilers", nargs="*", default=["gcc", "clang"], help="of the C")
    parser.add_argument("--engines", nargs="*", default=["tflm", "litert-reference"])
    return parser.parse_args()


def cpu_seconds():
    """Return the time of this process and of the programs that it ran."""
    spent = os.times()
    return sum(spent[:4])


def differences(quantized, x, compilers, engines):
    """Return `{engine: (codes that differ, codes)}` for those that the target has."""
    model, reading = read_for(quantized, x)
    samples = Samples.of(model, reading, x, BATCH)
    with tempfile.TemporaryDirectory() as folder:
        proofs = {
            name: Proof(samples, name, session)
            for name, session in sessions(reading, folder, compilers, engines)
        }
        for batch in samples.batches():
            for proof in proofs.values():
                proof.add(batch)
        rows = {name: proof.result().layers for name, proof in proofs.items()}
    return {
        name: (sum(row.mismatches for row in layers), sum(row.total for row in layers))
        for name, layers in rows.items()
    }


def sessions(reading, folder, compilers, engines):
    """Yield engines by name, each with a folder of its own."""
    for compiler in compilers:
        os.environ["CC"] = compiler
        yield f"c, {compiler}", ENGINES["c"](reading, made(folder, compiler))
    for engine in engines:
        if engine in TARGETS[reading.target].engines:
            yield engine, ENGINES[engine](reading, made(folder, engine))


def made(folder, name):
    path = os.path.join(folder, name)
    os.mkdir(path)
    return path


if __name__ == "__main__":
    main()
