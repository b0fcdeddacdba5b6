"""Show how trained thresholds move: the analysis of the paper, on the package's own quantizer.

Example:

    python examples/threshold_dynamics.py --output output/dynamics

Prints tables of what is found here beside what is expected, and draws one picture for each:

1. transfer curves and gradients of the quantizer (figure 1 of Jain et al., 2019, arXiv 1903.08066);
2. a threshold on a Gaussian: trained gradients against clipped ones;
3. four ways to train a threshold, over five orders of magnitude of the data;
4. the walk across the boundary of two octaves, and the guideline that keeps it short;
5. how far the thresholds of a trained network move.

What is expected comes from the paper and from a computation of the same analysis in NumPy and
float64. A threshold that swings ends anywhere within its swing. Takes about three minutes on two
cores.
"""

import argparse
import pathlib

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from threshold_network import moves
from threshold_paths import (
    adam,
    clipped_gradient,
    descend,
    gradient_ratio,
    quantized,
    updates,
)

import keras_alt
from keras_alt import FixedPoint
from keras_alt.optimizers import threshold_guideline

SAMPLES = 1000  # values in each step
SIGMAS = np.array([0.01, 0.1, 1.0, 10.0, 100.0])

# What is expected: log2 t by bits and sigma, for the four ways of `updates`.
FOUR_OPTIMIZERS = {
    (4, 0.01): ("-3.5, swings", "-4.3", "-6.01", "-5.99"),
    (4, 0.1): ("-2.9, swings", "-2.01", "-1.99", "-1.99"),
    (4, 1.0): (".83, swings", "-54", "1.07", "1.01"),
    (4, 10.0): ("3.7, swings", "+477, diverges", "4.06", "4.00"),
    (4, 100.0): ("7.1, swings", "diverges", "8.01", "7.94"),
    (8, 0.01): ("-2.6", "-.71", "-4.98", "-4.89"),
    (8, 0.1): ("-2.0", "-.71", "-1.97", "-1.57"),
    (8, 1.0): ("1.95", "-55", "1.20", "1.43"),
    (8, 10.0): ("6.8", "diverges", "5.01", "5.01"),
    (8, 100.0): ("10.4", "diverges", "8.03", "8.06"),
}
# (bits, rate, beta_2): sigma and the expected share below, mean and swing.
WALKS = {
    (4, 0.035, 0.99): [(1.0, ".35, 1.002, .038")],
    (8, 0.009, 0.999): [
        (1.0, ".002, 1.10, .207"),
        (1.2, ".22, 2.002, .018"),
        (1.4, ".04, 2.006, .039"),
        (1.7, "-, 2.015, .045"),
    ],
    (8, 0.1, 0.999): [(1.0, "3 octaves, swing 1.9")],
}
# Bits: steps of the guideline and the median r_g over sigma in [1, 2).
GUIDELINES = {
    3: ("47", "1.4"),
    4: ("96", "2.7"),
    5: ("189", "5.1"),
    6: ("366", "8.9"),
    8: ("1383", "28.4"),
}


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    for section in (
        transfer_curves,
        gaussian,
        four_optimizers,
        boundary_walk,
        guideline,
        network,
    ):
        print_table(*section(options))
    print(f"\npictures are in {options.output}")


def transfer_curves(options):
    """Draw the curves of figure 1; compare values and gradients."""
    x = np.linspace(-2, 2, 1601)
    figure = Figure(figsize=(12, 6), layout="constrained")
    for row, signed in zip(figure.subplots(2, 4), (True, False), strict=True):
        q, dx, slope = quantized(x[:, None], np.zeros(len(x)), FixedPoint(3, signed))
        curves = {
            "q": q,
            "dq / dlog2 t": slope,
            "dL / dlog2 t": (q - x[:, None]) * slope,
            "dL / dx": (q - x[:, None]) * (dx - 1),
        }
        for axes, (title, curve) in zip(row, curves.items(), strict=True):
            axes.plot(x, curve[:, 0])
            axes.set_title(f"{title}, {'signed' if signed else 'unsigned'}", fontsize=9)
            axes.grid(color="0.9")
    figure.savefig(options.output / "transfer_curves.png", dpi=130)

    points = np.array([0.3, -0.4, 0.9, -1.5])
    q, _, slope = (
        values[:, 0] for values in quantized(points[:, None], np.zeros(4), FixedPoint(3))
    )
    expected = [(0.25, -0.03466), (-0.5, -0.06931), (0.75, 0.51986), (-1.0, -0.69315)]
    rows = [
        (f"q({value}), dq/dlog2 t", f"{a:.2f}, {b:.5f}", f"{c:.2f}, {d:.5f}")
        for value, a, b, (c, d) in zip(points, q, slope, expected, strict=True)
    ]
    thresholds = [tf.zeros(()) for _ in points]
    with tf.GradientTape() as tape:
        tape.watch(thresholds)
        total = sum(
            keras_alt.fake_quant(np.float32(value), threshold, FixedPoint(3))
            for value, threshold in zip(points, thresholds, strict=True)
        )
    by_tape = np.array(tape.gradient(total, thresholds))
    largest = np.abs(by_tape - slope).max()
    rows.append(("difference to the gradient of `keras_alt.fake_quant`", f"{largest:g}", "0"))
    columns = ("found", "expected")
    return "3 bits, threshold 1", columns, rows


def gaussian(options):
    """Train a threshold on one set of values with both kinds of gradients."""
    x = np.random.default_rng(options.seed + 1).standard_normal(SAMPLES)
    rows = []
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for bits, expected in ((3, ("1.994", ".0481", "4.056", ".3333")), (8, ("", "8e-5") * 2)):
        trained = descend(adam(0.01), FixedPoint(bits), lambda step: x[None], [0.0], options.steps)
        clipped = descend(
            adam(0.01),
            FixedPoint(bits),
            lambda step: x[None],
            [0.0],
            options.steps,
            clipped_gradient,
        )
        for name, path, figures in (
            ("trained", trained, expected[:2]),
            ("clipped", clipped, expected[2:]),
        ):
            end = path[-len(path) // 4 :]
            octaves = [[octave] for octave in np.unique(np.ceil(end))]
            errors = [
                np.mean((quantized(x[None], o, FixedPoint(bits))[0] - x) ** 2) for o in octaves
            ]
            found = f"{2.0 ** end.mean():.3f}", f"{min(errors):.3g}"
            rows.append((f"{bits} bits, {name} gradient", *found, *figures))
            axes.plot(2.0**path, label=f"{bits} bits, {name} gradient")
    axes.axhline(np.abs(x).max(), color="0.7", ls=":", label="largest value")
    axes.set_xlabel("step")
    axes.set_ylabel("threshold")
    axes.legend(fontsize=8)
    figure.savefig(options.output / "gaussian.png", dpi=130)
    columns = ("t", "lowest mse", "t expected", "mse expected")
    return "Threshold on 1,000 values of N(0, 1)", columns, rows


def four_optimizers(options):
    """Train a threshold in four ways over five orders of magnitude."""
    draws = np.random.default_rng(options.seed).standard_normal((options.steps, 1, SAMPLES))
    figure = Figure(figsize=(14, 6), layout="constrained")
    grid = figure.subplots(2, 4, sharex=True)
    rows = []
    for bits, row in zip((4, 8), grid, strict=True):
        ends = []
        for axes, (name, update) in zip(row, updates(0.1).items(), strict=True):
            path = descend(
                update,
                FixedPoint(bits),
                lambda step: SIGMAS[:, None] * draws[step],
                np.zeros(len(SIGMAS)),
                len(draws),
            )
            ends.append([ending(course) for course in path.T])
            axes.plot(path, label=[f"sigma {sigma:g}" for sigma in SIGMAS])
            axes.set_title(f"{bits} bits, {name}", fontsize=9)
            axes.set_ylim(-12, 16)
            axes.grid(axis="y", color="0.9")
        for sigma, *found in zip(SIGMAS, *ends, strict=True):
            pairs = zip(found, FOUR_OPTIMIZERS[bits, sigma], strict=True)
            rows.append(
                (f"{bits} bits, sigma {sigma:g}", *(cell for pair in pairs for cell in pair))
            )
    grid[0, 0].legend(fontsize=7)
    figure.savefig(options.output / "four_optimizers.png", dpi=130)
    columns = [text for name in updates(0.1) for text in (name, "expected")]
    return f"log2 t after {options.steps} steps at rate 0.1", columns, rows


def boundary_walk(options):
    """Measure the walk across a boundary: its share of either octave and its swing."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(len(WALKS), 1, sharex=True)
    rows = []
    for plot, ((bits, rate, beta_2), expected) in zip(axes, WALKS.items(), strict=True):
        sigmas = np.array([sigma for sigma, _ in expected])
        rng = np.random.default_rng(options.seed)
        steps = 3 * options.steps
        path = descend(
            adam(rate, beta_2=beta_2),
            FixedPoint(bits),
            lambda step, rng=rng, sigmas=sigmas: sigmas[:, None] * rng.standard_normal(SAMPLES),
            np.zeros(len(sigmas)),
            steps,
        )
        plot.plot(path, label=[f"sigma {sigma:g}" for sigma in sigmas], lw=0.8)
        plot.set_title(f"{bits} bits, rate {rate}, beta_2 {beta_2}", fontsize=9)
        plot.legend(fontsize=7)
        plot.grid(axis="y", color="0.9")
        for walk, (sigma, figures) in zip(path[steps // 2 :].T, expected, strict=True):
            boundary = round(walk.mean())
            ratio = gradient_ratio(np.array([sigma]), boundary, FixedPoint(bits))[0]
            octaves = len(np.unique(np.ceil(walk)))
            theory = (f"{ratio:.4g}", f"{1 / (1 + ratio):.3f}") if octaves == 2 else ("-", "-")
            found = f"{np.mean(walk <= boundary):.3f}", f"{walk.mean():.3f}", f"{np.ptp(walk):.3f}"
            name = f"{bits} bits, rate {rate}, beta_2 {beta_2}, sigma {sigma}"
            rows.append((name, *theory, *found, f"{octaves}", figures))
    figure.savefig(options.output / "boundary_walk.png", dpi=130)
    columns = "r_g", "1/(1+r_g)", "share below", "mean", "swing", "octaves", "expected"
    return "Adam at a boundary", columns, rows


def guideline(options):
    """Follow the guideline; measure what it is derived from."""
    sigmas = np.geomspace(1, 2, 17)[:-1]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    rows = []
    for bits, (expected_steps, expected_ratio) in GUIDELINES.items():
        format, bound = FixedPoint(bits), threshold_guideline(bits)
        ratios = np.array([gradient_ratio(sigmas, k, format) for k in range(5)])
        ratios = np.nanmax(np.where(ratios > 0, ratios, np.nan), axis=0)
        boundary = np.argmax([gradient_ratio(np.array([1.2]), k, format)[0] > 0 for k in range(5)])
        axes.semilogy(sigmas, ratios, label=f"{bits} bits, at most {format.qmax} wanted")
        rng = np.random.default_rng(options.seed)
        path = descend(
            adam(bound.learning_rate, beta_2=bound.beta_2),
            format,
            lambda step, rng=rng: 1.2 * rng.standard_normal((1, SAMPLES)),
            [boundary - 1.0],
            min(2 * bound.steps + 100, 3 * options.steps),
        )[:, 0]
        away = np.abs(path - path[-len(path) // 4 :].mean()) > 0.1
        numbers = f"{bound.learning_rate:.4f}", f"{bound.beta_1:.3f}", f"{bound.beta_2:.5f}"
        found = f"{np.max(np.flatnonzero(away), initial=-1) + 1}", f"{np.median(ratios):.1f}"
        rows.append(
            (f"{bits} bits", *numbers, f"{bound.steps}", expected_steps, *found, expected_ratio)
        )
    axes.set_xlabel("sigma")
    axes.set_ylabel("r_g")
    axes.legend(fontsize=7)
    figure.savefig(options.output / "guideline.png", dpi=130)
    columns = ["rate", "beta_1", "beta_2", "steps", "expected", "found", "median_r_g", "expected"]
    return "Guideline; steps of an octave", columns, rows


def network(options):
    """Train a network of depthwise layers; count the octaves that thresholds move."""
    keras.utils.set_random_seed(options.seed)
    found, accuracies = moves((8,), options.epochs)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.hist(list(found.values()), bins=np.arange(-4.5, 4.5), label=list(found))
    axes.set_xlabel("octaves moved: below zero is inward, for precision")
    axes.set_ylabel("thresholds")
    axes.legend(fontsize=8)
    figure.savefig(options.output / "network.png", dpi=130)
    rows = []
    for kind, octaves in found.items():
        counts = [f"{np.sum(np.sign(octaves) == sign)}" for sign in (-1, 0, 1)]
        expected = "inward" if "depthwise" in kind else ""
        rows.append((kind, *counts, f"{np.mean(octaves):+.2f}", expected))
    print("\nvalidation: float {:.1%}, 8-bit weights {:.1%}".format(*accuracies))
    columns = ("inward", "unmoved", "outward", "mean", "expected")
    return "Moves of trained thresholds", columns, rows


def ending(course):
    """Say where a path ends, and how far it swings in its last quarter."""
    if not np.isfinite(course).all():
        return f"{course[1]:+.0f}, diverges"
    swing = np.ptp(course[-len(course) // 4 :])
    return f"{course[-1]:.2f}" + (f", swings {swing:.1f}" if swing > 1.5 else "")


def print_table(title, columns, rows):
    """Print rows of text."""
    lines = [(title, *columns), *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    print()
    for name, *cells in lines:
        columns = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        print(f"{name:{widths[0]}}  " + "  ".join(columns))


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/dynamics"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000, help="steps of a threshold")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of retraining the network")
    parser.add_argument("--smoke", action="store_true", help="few steps, for tests")
    options = parser.parse_args()
    if options.smoke:
        options.steps, options.epochs = 20, 1
    return options


if __name__ == "__main__":
    main()
