# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What thresholds do while they train
#
# A quantizer rounds a tensor to a grid. Its **threshold** says how far the grid reaches. This
# notebook trains single thresholds on random numbers and shows what they do: where they go, why
# they are trained as logarithms and by Adam, and why they swing at the end.
#
# It repeats, in small, the analysis in Jain, Gural, Wu, Dick: *Trained Quantization Thresholds*
# (2019, arXiv 1903.08066). Install what runs here with `pip install "keras-alt[demo]"`. The
# notebook takes about a minute on two cores.

# %%
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow is silent about its start

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_alt
from keras_alt import FixedPoint
from keras_alt.optimizers import ThresholdAdam, threshold_guideline

# %% tags=["parameters"]
STEPS = 1200  # of each threshold
SAMPLES = 1000  # random numbers in each step

# %%
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})
rng = np.random.default_rng(0)

# %% [markdown]
# ## The curve of a quantizer, and its gradients
# `fake_quant` takes a tensor, the log2 of a threshold and a format. It returns the values on the
# grid. `FixedPoint(3)` is a signed number of 3 bits: eight values from -1 to 0.75 if the
# threshold is 1.
#
# Rounding has a gradient of zero nearly everywhere, so nothing could be trained through it. The
# usual remedy is to treat the rounding as the identity in the backward pass. It is applied to the
# rounding only, and the rest of the formula keeps its true gradient. This gives the threshold a
# gradient *inside* its range too.
#
# - **First column:** what comes out.
# - **Second:** how the output changes with log2 of the threshold. Inside the range it is a saw,
#   `ln 2 * (q - x)`; outside, the output moves with the edge.
# - **Third:** the gradient of the squared error. It is positive inside, so values there pull the
#   threshold **inward**, for precision. It is negative outside: values there pull it **outward**,
#   for range.
# - **Fourth:** the gradient that reaches the values themselves: only those outside are pulled.


# %%
def slopes(x, log2_threshold, format):
    """Return the output of a quantizer and how it changes with x and with log2 of the threshold."""
    x = tf.constant(x, "float32")
    log2_thresholds = tf.fill(x.shape, np.float32(log2_threshold))  # one for each value
    with tf.GradientTape() as tape:
        tape.watch([x, log2_thresholds])
        q = keras_alt.fake_quant(x, log2_thresholds, format)
    return [values.numpy() for values in (q, *tape.gradient(q, [x, log2_thresholds]))]


x = np.linspace(-2, 2, 801).astype("float32")
figure, grid = plt.subplots(2, 4, figsize=(12, 5), sharex=True, layout="constrained")
for row, signed in zip(grid, (True, False), strict=True):
    q, dx, dt = slopes(x, 0.0, FixedPoint(3, signed))
    curves = {
        "output q": q,
        "dq / dlog2 t": dt,
        "dL / dlog2 t": (q - x) * dt,
        "dL / dx": (q - x) * (dx - 1),
    }
    for axis, (title, curve) in zip(row, curves.items(), strict=True):
        axis.axvspan(-1 if signed else 0, 1, color="0.95")
        axis.plot(x, curve)
        axis.set_title(f"{title}, {'signed' if signed else 'unsigned'}", fontsize=10)
        axis.grid(color="0.9")
plt.show()

# %% [markdown]
# ## Where a threshold wants to go
# Take numbers from a bell curve of width 1.5. The pull on the threshold is the sum over all of
# them. The integers see only the octave of a threshold (the scale is a power of two, rounded up),
# so the pull is the same within an octave. Above zero, the pull is inward; below, outward.
#
# The threshold goes to where the pull changes its direction. With more bits this is farther out:
# there are steps enough, so range is worth more than precision.


# %%
@functools.cache
def gradient_of(format, clipped_only=False):
    """Return a function of values (rows, samples) and log2 thresholds (rows): their gradients."""

    @tf.function
    def gradient(x, log2_thresholds):
        with tf.GradientTape() as tape:
            tape.watch(log2_thresholds)
            t = log2_thresholds[:, None]
            error = keras_alt.fake_quant(x, t, format) - x
            if clipped_only:
                scale = 2.0 ** tf.math.ceil(t) / format.levels
                error = tf.where(tf.abs(error) > scale / 2, error, 0.0)
            loss = tf.reduce_sum(error**2) / 2
        return tape.gradient(loss, log2_thresholds)

    return lambda x, t: gradient(tf.constant(x, "float32"), tf.constant(t, "float32")).numpy()


normal = rng.standard_normal(20_000)
octaves = np.arange(-1, 5)
figure, axes = plt.subplots(1, 3, figsize=(12, 3), layout="constrained")
for axis, bits in zip(axes, (3, 4, 8), strict=True):
    pulls = gradient_of(FixedPoint(bits))(np.tile(1.5 * normal, (6, 1)), octaves) / len(normal)
    colors = ["tab:blue" if pull < 0 else "tab:orange" for pull in pulls]
    axis.bar(octaves, np.cbrt(pulls), color=colors)
    axis.axhline(0, color="0.5", lw=0.8)
    axis.set(title=f"{bits} bits", xlabel="log2 of the threshold", xticks=octaves, yticks=[])
axes[0].set_ylabel("pull, as its cube root")
for color, label in (("tab:blue", "outward, for range"), ("tab:orange", "inward, for precision")):
    axes[2].bar([0], [0], color=color, label=label)
axes[2].legend(fontsize=9, loc="lower right")
plt.show()

# %% [markdown]
# ## What the gradient inside is good for
# Other quantizers (PACT, TensorFlow's FakeQuant) give a threshold no gradient from values inside
# its range. Then nothing pulls inward, and the threshold grows until it covers the largest value.
# With 3 bits this is a bad place, because the steps are coarse.
#
# The helper below trains several thresholds at once and returns their paths.


# %%
def paths(update, gradient, samples, start, steps=STEPS):
    """Return the log2 thresholds after each step, of shape (steps + 1, thresholds)."""
    course = [np.asarray(start, "float64")]
    for _ in range(steps):
        course.append(update(course[-1], gradient(samples(), course[-1])))
    return np.array(course)


def adam(rate, beta_2=0.999):
    """Train log2 thresholds by the optimizer of the package."""
    optimizer, variables = ThresholdAdam(rate, 0.9, beta_2), []

    @tf.function(autograph=False)
    def apply(gradient):
        optimizer.apply(tf.unstack(gradient), variables)
        return tf.stack([variable.value for variable in variables])

    def update(log2, gradient):
        if not variables:
            variables.extend(keras.Variable(np.float32(value)) for value in log2)
            optimizer.build(variables)
        return np.float64(apply(np.float32(gradient)).numpy())

    return update


x = np.random.default_rng(1).standard_normal((1, SAMPLES))
figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
for name, clipped_only in (("with the gradient inside", False), ("clipped values only", True)):
    course = paths(adam(0.01), gradient_of(FixedPoint(3), clipped_only), lambda: x, [0.0])
    t = 2.0 ** np.ceil(course[-STEPS // 4 :]).min()
    error = np.mean((np.asarray(keras_alt.fake_quant(x, np.log2(t), FixedPoint(3))) - x) ** 2)
    axis.plot(2.0**course, label=name)
    print(f"{name:24}  threshold {2.0 ** course[-1, 0]:.2f}, mean squared error {error:.3f}")
axis.axhline(np.abs(x).max(), color="0.6", ls=":", label="largest value")
axis.set(xlabel="step", ylabel="threshold", title="3 bits, 1,000 values")
axis.legend(fontsize=9)
plt.show()

# %% [markdown]
# ## Why the logarithm, and why Adam
# Tensors of a network differ by orders of magnitude. One rate shall suit all of them. Here are
# four ways to train a threshold, on numbers of five widths from 0.01 to 100:
#
# - **Plain descent on the threshold itself.** A rate is too large for small tensors and too small
#   for large ones.
# - **Plain descent on its logarithm.** The gradient grows with the square of the width: the first
#   step on wide tensors leaves the picture.
# - **Descent by normed gradients on the logarithm:** divided by their running size.
# - **Adam on the logarithm**, which norms gradients too. `keras_alt.optimizers.alt` does this.
#
# A dotted line is where the pull on a threshold changes its direction. There it should end. The
# rate is large here, so that all arrive within the picture; Adam then swings for a while.


# %%
def plain(rate):
    def update(log2, gradient):
        t = 2.0**log2
        return np.log2(np.maximum(t - rate * gradient / (t * np.log(2)), 2.0**-10))

    return update


def plain_log(rate):
    return lambda log2, gradient: log2 - rate * gradient


def normed_log(rate, beta=0.9):
    average, step = 0.0, 0

    def update(log2, gradient):
        nonlocal average, step
        average, step = beta * average + (1 - beta) * gradient**2, step + 1
        size = np.sqrt(average / (1 - beta**step))
        return log2 - rate * np.tanh(gradient / (size + 1e-5))

    return update


WIDTHS = np.array([0.01, 0.1, 1.0, 10.0, 100.0])
WAYS = {
    "plain": plain(0.1),
    "plain, log": plain_log(0.1),
    "normed, log": normed_log(0.1),
    "Adam, log": adam(0.1),
}
COLORS = plt.cm.viridis(np.linspace(0, 0.9, 5))
octaves = np.arange(-10, 13)
borders = []
for width in WIDTHS:
    pulls = gradient_of(FixedPoint(8))(np.tile(width * normal, (len(octaves), 1)), octaves)
    borders.append(octaves[pulls > 0][0] - 1)

figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), sharey=True, layout="constrained")
for axis, (name, update) in zip(axes, WAYS.items(), strict=True):
    course = paths(
        update,
        gradient_of(FixedPoint(8)),
        lambda: WIDTHS[:, None] * rng.standard_normal((5, SAMPLES)),
        np.zeros(5),
    )
    for width, path, border, color in zip(WIDTHS, course.T, borders, COLORS, strict=True):
        axis.plot(path, color=color, label=f"width {width:g}", lw=1.2)
        axis.axhline(border, color=color, ls=":", lw=1)
    axis.set(title=name, xlabel="step", ylim=(-12, 16))
    axis.grid(axis="y", color="0.9")
axes[0].set_ylabel("log2 of the threshold")
axes[3].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## Why a threshold swings
# The best place is often not within an octave but at the border of two: below it the pull is
# outward, above it inward. So the threshold crosses the border again and again. The share of time
# on either side balances the pulls. If the pull below is `r` times the pull above, the threshold
# is below for `1 / (1 + r)` of the time.
#
# The swing needs no remedy as long as it is short. But each crossing doubles or halves the scale,
# so at the end of training `FreezeThresholds` holds one threshold after the other, those at rest
# first.

# %%
bits, border = 4, 1
gradient = gradient_of(FixedPoint(bits))
below, above = gradient(np.tile(normal, (2, 1)), [border, border + 0.5])
ratio = -below / above
figure, axes = plt.subplots(
    1, 2, figsize=(11, 3.2), sharey=True, width_ratios=[3, 1], layout="constrained"
)
course = paths(
    adam(0.035, beta_2=0.99), gradient, lambda: rng.standard_normal((1, SAMPLES)), [0.0], 2 * STEPS
)[:, 0]
axes[0].plot(course, lw=0.8)
axes[0].set(xlabel="step", ylabel="log2 of the threshold", title="4 bits, values of width 1")
end = course[STEPS:]
axes[1].hist(end, bins=40, orientation="horizontal", color="0.6")
axes[1].set(title="second half", xlabel="how often", ylim=(border - 0.15, border + 0.15))
for axis in axes:
    axis.axhline(border, color="tab:red", ls="--", lw=1)
plt.show()
print(f"pull below over pull above: {ratio:.2f}")
print(f"share of the steps below the border: {np.mean(end <= border):.2f}")
print(f"expected, 1 / (1 + r): {1 / (1 + ratio):.2f}")

# %% [markdown]
# ## The same path at every scale
# Multiply all values by 4, begin two octaves higher, and the path is the same, two octaves
# higher. This is why one rate suits all tensors.

# %%
draws = rng.standard_normal((STEPS, 1, SAMPLES))
pair = []
for octaves_up in (0, 2):
    source = iter(draws * 2.0**octaves_up)
    pair.append(
        paths(adam(0.01), gradient_of(FixedPoint(8)), lambda s=source: next(s), [1.0 * octaves_up])
    )
low, high = pair
print(f"largest deviation from two octaves: {np.abs(high - low - 2).max():.1e} octaves")

# %% [markdown]
# ## How fast, and for how long
# The rate and Adam's second beta bound how far a threshold swings; they follow from the bits.
# `threshold_guideline` returns the bounds of the paper, and the steps that a threshold needs to
# settle.

# %%
print("bits    rate    beta_2    steps")
for bits in (3, 4, 5, 6, 8):
    bound = threshold_guideline(bits)
    print(f"{bits:4}  {bound.learning_rate:.4f}  {bound.beta_2:.5f}  {bound.steps:7.0f}")

# %% [markdown]
# ## In a network
# In a network the loss is that of the task, and its gradient reaches each threshold by `fit`.
# What you have seen holds there too: thresholds of kernels with few bits move inward, others
# outward, and most end where they began. `keras_alt.callbacks.ThresholdHistory` records them; the
# first notebook draws its record. `examples/threshold_dynamics.py` repeats this analysis at full
# length, with what is expected beside what is found.
