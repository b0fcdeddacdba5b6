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
# # From a Keras network to a verified file
#
# This notebook trains a small network in Keras, turns its floats into 8-bit integers, and writes
# it as a `.tflite` file and as C. Then it proves that both compute exactly what Keras computed.
#
# You need to know Keras, nothing more. Install what runs here with
# `pip install "keras-alt[demo,litert]"`. The notebook takes about a minute on two cores.

# %%
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow is silent about its start

import keras
import matplotlib.pyplot as plt
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from sklearn.datasets import load_digits

import keras_alt

# %% tags=["parameters"]
EPOCHS = 25  # of the float network
RETRAIN_EPOCHS = 6  # of each quantized network
PROVED = 500  # test images whose codes are compared

# %%
keras.utils.set_random_seed(0)
plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})
output = pathlib.Path("output")
output.mkdir(exist_ok=True)

# %% [markdown]
# ## The data
# The handwritten digits of scikit-learn are 1,797 images of 8 x 8 pixels. A pixel is a number
# from 0 to 16; divided by 16 it lies between 0 and 1.

# %%
x, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(x))
x, y = (x[order] / 16).astype("float32").reshape(-1, 8, 8, 1), y[order]
x_train, y_train, x_test, y_test = x[:1297], y[:1297], x[1297:], y[1297:]

figure, axes = plt.subplots(1, 10, figsize=(10, 1.3))
for axis, image, label in zip(axes, x_train, y_train, strict=False):
    axis.imshow(image[..., 0], cmap="gray_r")
    axis.set_title(label)
    axis.axis("off")
plt.show()

# %% [markdown]
# ## The float network
# It is an ordinary Keras model with an ordinary `fit`. There is nothing about quantization in it.

# %%
inputs = keras.Input((8, 8, 1), name="image")
h = keras.layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv_1")(inputs)
h = keras.layers.BatchNormalization(name="norm")(h)
h = keras.layers.ReLU(name="relu")(h)
h = keras.layers.Conv2D(32, 3, strides=2, activation="relu", name="conv_2")(h)
h = keras.layers.GlobalAveragePooling2D(name="pool")(h)
model = keras.Model(inputs, keras.layers.Dense(10, name="scores")(h), name="digits")
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
model.fit(x_train, y_train, epochs=EPOCHS, verbose=0)


def accuracy(model):
    return float(np.mean(model.predict(x_test, verbose=0).argmax(-1) == y_test))


found = {"float": accuracy(model)}
print(f"float: {found['float']:.1%} of {len(y_test)} test images are right")

# %% [markdown]
# ## What an 8-bit number is here
# A quantized tensor holds integers, called **codes**. A signed 8-bit code goes from -128 to 127.
# Its value is `code * scale`. In this package a scale is always a power of two, so hardware
# multiplies by it with a shift.
#
# The **threshold** of a tensor says how far its range goes. For 8 signed bits the scale is
# `threshold / 128`, with the threshold rounded up to a power of two. Values beyond the threshold
# are clipped.
#
# The picture shows the two errors. The grid has 3 bits, so that you can see its steps. A large
# threshold gives coarse steps; a small one clips.

# %%
values = np.linspace(-1.2, 1.2, 601).astype("float32")
figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axis, log2_threshold in zip(axes, (0.0, -1.0), strict=True):
    rounded = keras_alt.fake_quant(values, log2_threshold, keras_alt.FixedPoint(3))
    axis.plot(values, values, color="0.8", label="float")
    axis.plot(values, rounded, label="3 bits, signed")
    axis.axvspan(-(2.0**log2_threshold), 2.0**log2_threshold, color="0.95", label="not clipped")
    axis.set(title=f"threshold {2.0**log2_threshold:g}", xlabel="value in")
axes[0].set_ylabel("value out")
axes[0].legend(loc="upper left", fontsize=8)
plt.show()
# %% [markdown]
# ## Quantize
# `quantize_model` returns a new Keras model. The float model stays as it is. The target names the
# engine that shall run the file: each engine has its own rules for rounding and for the width of
# a bias, and the new model follows those of LiteRT.
#
# The batch norm has disappeared, because it is part of the kernel of `conv_1` now. The ReLUs are
# gone too, because the number format behind them starts at zero. The layers are named `Quant...`,
# and a `Quantizer` holds the threshold of a tensor.

# %%
config = keras_alt.QuantizeConfig(target="litert")
quantized = keras_alt.quantize_model(model, config)
for layer in quantized.layers:
    print(f"{type(layer).__name__:26} {layer.name}")

# %% [markdown]
# ## Calibrate
# The thresholds have no values yet. `calibrate` shows the network some images and chooses a
# threshold for each tensor from the values that it sees. No labels are needed.

# %%
thresholds = keras_alt.calibrate(quantized, x_train[:256], verbose=False)
for name, quantizer in keras_alt.quantizers(quantized).items():
    print(f"{name:24} {quantizer.format!s:12} threshold {quantizer.threshold:8.4f}")
found["8 bits, calibrated"] = accuracy(quantized)
print(f"\ncalibrated: {found['8 bits, calibrated']:.1%}")

# %% [markdown]
# This is what three quantizers see. The dashed lines are the thresholds. A grey bar is as wide as
# a step of the grid, so all values in it get the same code.

# %%
seen = {}
by_name = keras_alt.quantizers(quantized)
kernels = [name for name in by_name if name.endswith("kernel")]
outputs = [name for name in by_name if not name.endswith(("kernel", "bias"))]
shown = [kernels[1], *outputs[1:3]]
for name in shown:
    by_name[name].observer = lambda quantizer, values, name=name: seen.update({name: values})
quantized(x_train[:256])
figure, axes = plt.subplots(1, len(shown), figsize=(11, 2.8), layout="constrained")
for axis, name in zip(axes, shown, strict=True):
    quantizer = by_name[name]
    quantizer.observer = None
    step = 2.0**quantizer.exponent
    bins = (np.arange(quantizer.format.qmin - 8, quantizer.format.qmax + 10) - 0.5) * step
    axis.hist(np.ravel(seen[name]), bins=bins, color="0.6", log=True)
    for side in (1, -1) if quantizer.format.signed else (1,):
        axis.axvline(side * quantizer.threshold, color="tab:red", ls="--")
    axis.set(title=f"{name}: {quantizer.format}", xlabel="value")
axes[0].set_ylabel("how often")
plt.show()

# %% [markdown]
# ## Retrain
# Now comes what gives the method its name: the thresholds are variables, and `fit` trains them
# together with the weights. `keras_alt.optimizers.alt` is Adam with a rate for the weights and
# one for the thresholds. `ThresholdHistory` records their courses.
#
# The same is done with 3-bit weights. A weight then has one of seven values.


# %%
def retrained(model, bits):
    """Quantize a float model, calibrate and retrain it; return it with two accuracies."""
    keras.utils.set_random_seed(1)
    config = keras_alt.QuantizeConfig(target="litert", weights=bits)
    q = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(q, x_train[:256], verbose=False)
    calibrated = accuracy(q)
    steps = RETRAIN_EPOCHS * -(-len(x_train) // 32)
    optimizer = keras_alt.optimizers.alt(weights=1e-3, thresholds=1e-2, steps=steps)
    q.compile(optimizer, loss, metrics=["accuracy"])
    history = keras_alt.callbacks.ThresholdHistory()
    q.fit(x_train, y_train, epochs=RETRAIN_EPOCHS, callbacks=[history], verbose=0)
    return q, history, (calibrated, accuracy(q))


quantized, history, accuracies = retrained(model, bits=8)
found["8 bits, calibrated"], found["8 bits, retrained"] = accuracies
three_bits, history_3, accuracies = retrained(model, bits=3)
found["3-bit weights, calibrated"], found["3-bit weights, retrained"] = accuracies
for name, value in found.items():
    print(f"{name:26} {value:6.1%}")

# %% [markdown]
# One image is 0.2 points here, so small differences mean nothing.

# %%
figure, axis = plt.subplots(figsize=(8, 2.4))
axis.axvline(found["float"], color="0.8", ls="--")
axis.scatter(list(found.values()), list(found), color=["0.5", *4 * ["tab:blue"]], zorder=2)
axis.grid(axis="y", color="0.9")
axis.set(xlabel="share of the test images that are right")
axis.xaxis.set_major_formatter("{x:.0%}")
axis.set_xlim(min(0.9, *found.values()), 1)
axis.invert_yaxis()
plt.show()

# %% [markdown]
# Each line below is one threshold. A grid line is where the scale doubles. Between two grid lines
# a threshold can move without any change of the codes: only a crossing changes the scale.

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), sharey=True, layout="constrained")
for axis, course, title in zip(
    axes, (history, history_3), ("8 bits", "3-bit weights"), strict=True
):
    for name, values in course.history.items():
        kernel = name.endswith("kernel")
        axis.plot(course.steps, values, color="tab:orange" if kernel else "tab:blue", lw=1.2)
    axis.set(title=title, xlabel="step")
    axis.yaxis.set_major_locator(plt.MultipleLocator(1))
    axis.grid(axis="y", color="0.9")
axes[0].set_ylabel("log2 of the threshold")
for color, label in (("tab:orange", "kernels"), ("tab:blue", "inputs and activations")):
    axes[1].plot([], [], color=color, label=label)
axes[1].legend(fontsize=8, loc=(0.6, 0.25))
plt.show()
# %% [markdown]
# ## What came out
# `report` lists every threshold, the bits of every sum, and what stays float and why. Here are
# its totals; `report.to_html("report.html")` writes all of it as a page.

# %%
report = keras_alt.report(quantized, x_test)
report.to_html(output / "report.html")
print(str(report).rsplit("\n\n", 1)[-1])

# %% [markdown]
# ## Write the .tflite file, and prove it
# The exporter needs no data: everything was decided in training.
#
# `verify` runs the file on LiteRT and compares each code with the one that Keras computes. It
# compares integers, so there is no tolerance.

# %%
keras_alt.export.to_litert(quantized, output / "digits.tflite")
print(f"digits.tflite has {(output / 'digits.tflite').stat().st_size:,} bytes")

proof = keras_alt.verify(quantized, x_test[:PROVED], engine="litert", verbose=False)
print(f"{proof.mismatches} of {proof.total} output codes differ")
print(f"{len(proof.layers)} tensors compared, inside the network too")

# %% [markdown]
# The file is an ordinary LiteRT file. Here it runs without Keras and without this package, as it
# does on a phone. The pictures show the codes of the ten scores for twenty images: those of
# Keras, those of the file, and their difference.

# %%
interpreter = Interpreter(str(output / "digits.tflite"))
interpreter.allocate_tensors()
(given,), (returned,) = interpreter.get_input_details(), interpreter.get_output_details()
scale_in, scale_out = given["quantization"][0], returned["quantization"][0]
codes = []
for image in x_test[:20]:
    code = np.clip(np.rint(image / scale_in), -128, 127).astype("int8")
    interpreter.set_tensor(given["index"], code[None])
    interpreter.invoke()
    codes.append(interpreter.get_tensor(returned["index"])[0])
codes = np.array(codes, "int32")
by_keras = np.rint(quantized.predict(x_test[:20], verbose=0) / scale_out).astype("int32")

figure, axes = plt.subplots(1, 3, figsize=(10, 4.4), sharey=True, layout="constrained")
pictures = {"Keras": by_keras, "digits.tflite": codes, "difference": codes - by_keras}
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    drawn = axis.imshow(picture, cmap="RdBu", vmin=-128, vmax=127, aspect="auto")
    axis.set(title=title, xlabel="digit", xticks=range(10), yticks=range(0, 20, 5))
axes[0].set_ylabel("image")
figure.colorbar(drawn, ax=axes, label="code")
plt.show()
print("largest difference:", np.abs(codes - by_keras).max())

# %% [markdown]
# ## The same network as C
# For a microcontroller without LiteRT, `to_c` writes plain C99: integers alone, no library, no
# heap. `verify` compiles it with the compiler of this machine and compares again.

# %%
keras_alt.export.to_c(quantized, output / "digits_c")
for path in sorted((output / "digits_c").iterdir()):
    print(f"{path.name:12} {path.stat().st_size:8,} bytes")

proof = keras_alt.verify(quantized, x_test[:PROVED], engine="c", verbose=False)
print(f"\n{proof.mismatches} of {proof.total} output codes differ")

# %%
header = next(path for path in (output / "digits_c").iterdir() if path.suffix == ".h")
print(header.read_text()[:1800])

# %% [markdown]
# ## Where to go on
# - Save the quantized model with `quantized.save("digits.keras")`; it loads after
#   `import keras_alt`.
# - `keras_alt.retarget(quantized, "onnx")` moves the trained thresholds to another engine.
# - `keras_alt.verify(..., bundle="proof")` writes a folder that repeats the proof on your device,
#   without Keras.
# - The command does the same without Python:
#   `keras-alt quantize model.keras --data data.npz --output q.keras --target litert`.
# - The next notebook shows what the thresholds do while they train.
