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
# # From pins to a legal route
#
# On a chip, a **net** is a set of pins that a wire must join. Chips have many
# metal layers above each other, and vias that lead from one to the next. Someone
# has to decide where each wire runs.
#
# This notebook gives the pins of a net to a neural network, shows the network's
# opinion as pictures, makes a legal route of it, and writes the route as a layout
# file. The network is an ordinary Keras model from images to images. Install what
# runs here with `pip install "keras-alt[demo]"`. The notebook takes less than a
# minute on two cores.
#
# The task, its layout rule and its layers are those of Jain, Okabe: *Neural
# circuit routing* (2017, arXiv 1706.08948).

# %%
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow is silent about its start

import gdstk
import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import SVG, display

import keras_route
from keras_route.formats.gds import GDS_LAYERS
from keras_route.layout.pictures import COLOURS, colours, svg
from keras_route.models.comparator import log_odds
from keras_route.technology.layers import LAYERS, METALS

# %% tags=["parameters"]
NETS = 300  # of the count at the end

# %%
plt.rcParams.update({"figure.dpi": 80})
output = pathlib.Path("output")
output.mkdir(exist_ok=True)

# %% [markdown]
# ## Layers
# Pins lie on a metal at the bottom. Above it are four metals. On each of them
# wires run in one direction only, so a bend needs a via. These are the colours in
# all pictures below:

# %%
figure, axis = plt.subplots(figsize=(12, 0.8))
for place, (name, colour) in enumerate(COLOURS.items()):
    metal = METALS.get(name)
    direction = f"\n{'across' if metal.horizontal else 'up and down'}" if metal else ""
    axis.add_patch(plt.Rectangle((place, 0), 0.2, 1, color=np.array(colour) / 255))
    axis.text(place + 0.25, 0.5, name + direction, va="center", fontsize=9)
axis.set(xlim=(0, len(COLOURS)), ylim=(0, 1))
axis.axis("off")
plt.show()

# %% [markdown]
# ## What the network has learned
# A layout rule draws a route for any pins: a trunk in one direction, and a leg
# from each pin to the trunk. `generate` draws random pins and their routes. The
# network saw many of these pairs. It never saw the rule itself.
#
# A label has eight layers, and a pixel can have several. The pictures mix their
# colours.

# %%
pins_drawn, labels = keras_route.generate(6, seed=3, split="validation")
print("images of pins:", pins_drawn.shape, " labels:", labels.shape)
figure, axes = plt.subplots(1, 6, figsize=(12, 2.1), layout="constrained")
for axis, picture in zip(axes, colours(labels), strict=True):
    axis.imshow(picture, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## The network's opinion
# Here are the pins of one net, as `(x, y)` in pixels of a window of 32 x 32. The
# network gets an image with ones at the pins. It returns two scores for each layer
# of each pixel, for "off" and "on". Their difference is the log odds, and a
# sigmoid makes it the probability that there is metal.

# %%
router = keras_route.Router.from_preset("router_32")
pins = np.array([(2, 5), (21, 9), (7, 30), (27, 22)])
image = np.zeros((1, 32, 32, 1), "float32")
image[0, pins[:, 1], pins[:, 0]] = 1

odds = log_odds(router.predict(image, verbose=0))[0]
probabilities = np.asarray(keras.ops.sigmoid(odds))
print(f"{router.count_params():,} weights; probabilities: {probabilities.shape}")

figure, axes = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for axis, name, picture in zip(axes.flat, LAYERS, np.moveaxis(probabilities, -1, 0), strict=True):
    drawn = axis.imshow(picture, cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
    axis.scatter(*pins.T, s=26, facecolors="none", edgecolors="tab:blue")
    axis.set(title=name, xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="probability of metal or via", shrink=0.8)
plt.show()

# %% [markdown]
# For these pins the network hesitates between two routes. One has a trunk on m5,
# up and down; the other has a trunk on m6, across. Pixels of both are likely. But
# the network decides each pixel for itself, and a mixture of two routes is no
# route. One wrong pixel is enough to cut a wire.
#
# Here are nets where the pixels that are more likely on than off make no legal
# route:

# %%
many, truth = keras_route.generate(NETS, seed=11, split="validation", deduplicate=True)
odds_of_many = log_odds(router.predict(many, verbose=0))
raw = (odds_of_many > 0).astype("uint8")
routed = keras_route.route(router, many)
broken = [i for i, net in enumerate(routed) if net.repaired][:4]

figure, axes = plt.subplots(2, len(broken), figsize=(2.6 * len(broken), 5.4), layout="constrained")
for column, i in zip(axes.T, broken, strict=True):
    for axis, label, title in (
        (column[0], raw[i], "each pixel for itself"),
        (column[1], routed[i].to_labels(), "after the decoder"),
    ):
        axis.imshow(colours(label), interpolation="nearest")
        axis.set_title(title, fontsize=10)
        axis.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## The decoder
# All routes of the rule are one family: a trunk on some line, in one of six
# choices of metals for trunk and legs. There are at most 6 x 32 of them, so the
# decoder looks at all. The score of a route is the sum of the log odds of its
# pixels. The route with the best score wins.
#
# The next cell does the same in the plainest way: it draws each route and adds up.
# In the picture, each line is a choice of metals. Two peaks stand out: the two
# routes between which the network hesitates.


# %%
def single_trunk(pins, line, trunk, leg):
    """Return the label image of a trunk on a row, with a leg from each pin."""
    label = np.zeros((32, 32, 8), "uint8")
    x, y = pins.T
    t, g = METALS[trunk].channel, METALS[leg].channel
    label[line, x.min() : x.max() + 1, t] = 1
    for column, row in pins:
        label[min(line, row) : max(line, row) + 1, column, g] = 1
        label[line, column, (t + g) // 2] = 1  # the via between both metals
    label[y, x, LAYERS.index("pin")] = 1
    return label


ACROSS = [("m4", "m3"), ("m4", "m5"), ("m6", "m5")]  # metals of trunk and legs
wires = np.arange(1, 8)  # all layers but the pins
candidates = {}
for line in range(32):
    for trunk, leg in ACROSS:
        candidates[f"{trunk} across, legs {leg}", line] = single_trunk(pins, line, trunk, leg)
        turned = single_trunk(pins[:, ::-1], line, leg, trunk).swapaxes(0, 1)
        candidates[f"{leg} up and down, legs {trunk}", line] = turned
scores = {key: (odds * label)[..., wires].sum() for key, label in candidates.items()}
best = max(scores, key=scores.get)

figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
for kind in dict.fromkeys(kind for kind, _ in candidates):
    axis.plot(range(32), [scores[kind, line] for line in range(32)], label=kind)
axis.plot(best[1], scores[best], "o", color="black", mfc="none", ms=11)
axis.set(
    xlabel="line of the trunk, in pixels",
    ylabel="sum of log odds",
    ylim=(-1500, 150),
)
axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
print(f"the best: {best[0]}, on line {best[1]}")

# %% [markdown]
# `route` does all this in one call, for thousands of nets at once. It returns
# `Net` objects with wires and vias.

# %%
(net,) = keras_route.route(router, [pins])
print("the same route:", np.array_equal(net.to_labels(), candidates[best]))
for part in (*net.wires, *net.vias):
    print(" ", part)
display(SVG(svg(net).replace('width="512" height="512"', 'width="300" height="300"')))

# %% [markdown]
# ## Is it legal, and is it good?
# `check` knows the rules: each pin is covered, wires run in the direction of their
# metal, vias have metal above and below, nothing dangles, and all is one piece. It
# returns what is broken.
#
# The shortest tree (Steiner) is the least wire that could join the pins.

# %%
print("broken rules:", keras_route.check(net))
print(f"{net.wire_length:.1f} um of wire; the shortest tree has {net.steiner_length:.1f} um")
print(f"vias: {net.via_counts}; resistance: {net.resistance():.0f} ohm")

# %% [markdown]
# The same for all the nets above:

# %%
legal = sum(not keras_route.check(net) for net in routed)
as_decided = sum(not net.repaired for net in routed)
exact = sum(np.array_equal(net.to_labels(), y) for net, y in zip(routed, truth, strict=True))
print(f"{NETS} nets that the network never saw")
print(f"{as_decided / NETS:6.1%} are legal as the network decided each pixel")
print(f"{legal / NETS:6.1%} are legal after the decoder")
print(f"{exact / NETS:6.1%} are exactly what the layout rule draws")

# %% [markdown]
# ## Around an obstacle
# Where something is in the way, no rule says what a good route is. Then a search
# takes over: it looks for the cheapest tree, and metal is cheap where the network
# would have put it.

# %%
blocked = np.zeros((32, 32), bool)
blocked[11:21, 10:18] = True
(around,) = keras_route.route(router, [pins], blocked=blocked)
print("broken rules:", keras_route.check(around, blocked))
print(f"{around.wire_length:.1f} um of wire instead of {net.wire_length:.1f}")
rectangle = '<rect x="10" y="11" width="8" height="10" fill="orange" fill-opacity="0.4"/></svg>'
picture = svg(around).replace('width="512" height="512"', 'width="300" height="300"')
display(SVG(picture.replace("</svg>", rectangle)))

# %% [markdown]
# ## Layout files
# GDSII is what layout tools and fabs read: polygons on numbered layers. DEF is
# what place and route tools read. Below, the GDS file is read back and drawn.
# Wires are thin in it, and each pin has its stack of vias.

# %%
keras_route.write_gds([net], output / "net.gds")
keras_route.write_def([net], output / "net.def")

cell = gdstk.read_gds(output / "net.gds").top_level()[0].flatten()
names = {number: name for name, (number, _) in GDS_LAYERS.items()}
figure, axis = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
for polygon in sorted(cell.polygons, key=lambda polygon: polygon.layer):
    color = np.array(COLOURS.get(names[polygon.layer], (60, 60, 60))) / 255
    axis.fill(*polygon.points.T, color=color)
axis.set(xlabel="um", ylabel="um", aspect="equal")
axis.set_title(f"net.gds: {len(cell.polygons)} polygons")
plt.show()

# %%
text = (output / "net.def").read_text()
print(text[text.index("NETS") :][:560])

# %% [markdown]
# ## Where to go on
# - `keras-route route pins.csv --output nets.gds` does this from the command line,
#   and `keras-route check nets.json` checks nets in a file.
# - `keras_route.route_chip` routes a placed design of LEF and DEF files, and
#   `keras-route chip` does so from the command line.
# - The network can be integers too: `examples/quantize_router.py` quantizes it
#   with `keras_alt`.
# - `examples/train_router.py` trains a network of your own.
