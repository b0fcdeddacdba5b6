"""Guides from a network: where it holds the metal of a net likely."""

import numpy as np

from keras_route.formats.lefdef import Guide
from keras_route.layout.blocked import METAL_CHANNELS
from keras_route.layout.design import NO_NET, Design
from keras_route.models.comparator import log_odds
from keras_route.technology.layers import METALS

PX_UM = 11.0 / 32  # the scale that the presets were trained at
LIKELY = -3.0  # log-odds above which wires may run
BLOCK = 1024


def network_guides(
    model, design: Design, lowest: int = 1, side: int = 32, batch_size: int = 128
) -> dict[str, tuple[Guide, ...]]:
    """Return guides for the nets that fit the window of a network.

    The window lies around the pins, on a grid of pixels of 11/32 um. A pixel of a metal is blocked
    if shapes that belong to no net cover its middle. A net gets the pixels whose log-odds are above
    -3, and those around them. Nets of one pixel and nets that are wider than the window get none.

    Args:
        model: a network from pins and blocked metal (N, side, side, 5) to scores, such as
            `SearchRouter`.
        design: the placed design.
        lowest: index of the lowest metal with wires; it and the three above it stand for m3 to m6.
        side: pixels along a side of the window.
        batch_size: nets that the network sees at once.

    Raises:
        ValueError: these metals do not run as m3 to m6 do, vertical first.
    """
    metals = design.technology.metals[lowest : lowest + len(METALS)]
    if [m.horizontal for m in metals] != [m.horizontal for m in METALS.values()]:
        raise ValueError(
            "The network knows four metals that run vertically and horizontally in turn: choose "
            f"another lowest layer. Received: {', '.join(m.name for m in metals)}"
        )
    px = PX_UM * design.dbu_per_um
    blocked = _blocked(design, lowest, px)
    windows = list(_windows(design, blocked.shape[1:], px, side))
    guides = {}
    for start in range(0, len(windows), BLOCK):
        part = windows[start : start + BLOCK]
        images = np.zeros((len(part), side, side, 1 + len(METALS)), "float32")
        for image, (_, pins, row, column) in zip(images, part, strict=True):
            image[pins[:, 1] - row, pins[:, 0] - column, 0] = 1
            image[..., 1:] = np.moveaxis(
                blocked[:, row : row + side, column : column + side], 0, -1
            )
        scores = np.asarray(model.predict(images, batch_size=batch_size, verbose=0))
        likely = log_odds(scores)[..., METAL_CHANNELS] > LIKELY
        for (name, pins, row, column), found in zip(part, likely, strict=True):
            found[pins[:, 1] - row, pins[:, 0] - column] = True
            guides[name] = tuple(_boxes(found, metals, design, row, column, px))
    return guides


def _blocked(design, lowest, px):
    """Return which pixels of which of the four metals are blocked, (4, rows, columns)."""
    left, bottom, right, top = design.die
    columns, rows = (max(1, int(np.ceil(s / px))) for s in (right - left, top - bottom))
    blocked = np.zeros((len(METALS), rows, columns), bool)
    shapes = design.shapes
    plane = shapes.layer // 2 - lowest
    fixed = (shapes.layer % 2 == 0) & (shapes.net == NO_NET)
    for index in np.flatnonzero(fixed & (plane >= 0) & (plane < len(METALS))):
        x0, y0, x1, y1 = shapes.box[index]
        i0, i1 = (int(np.ceil((x - left) / px - 0.5)) for x in (x0, x1))
        j0, j1 = (int(np.ceil((y - bottom) / px - 0.5)) for y in (y0, y1))
        blocked[plane[index], max(j0, 0) : max(j1, 0), max(i0, 0) : max(i1, 0)] = True
    return blocked


def _windows(design, size, px, side):
    """Yield name, pixels of the pins, and first row and column of the window of each net."""
    shapes = design.shapes
    left, bottom, _, _ = design.die
    own = np.flatnonzero(shapes.pin >= 0)
    own = own[np.lexsort((shapes.pin[own], shapes.net[own]))]
    centre = shapes.box[own].reshape(-1, 2, 2).mean(axis=1)
    pixels = ((centre - (left, bottom)) // px).astype(int)
    pixels = np.clip(pixels, 0, (size[1] - 1, size[0] - 1))
    first = np.flatnonzero(np.diff(shapes.net[own], prepend=-2))
    names = list(design.nets)
    for pins, net in zip(np.split(pixels, first[1:]), shapes.net[own][first], strict=True):
        pins = np.unique(pins, axis=0)
        if len(pins) < 2 or min(size) < side or np.ptp(pins, axis=0).max() >= side:
            continue
        corner = pins.min(axis=0) - (side - 1 - np.ptp(pins, axis=0)) // 2
        column, row = np.clip(corner, 0, (size[1] - side, size[0] - side)).tolist()
        yield names[net], pins, row, column


def _boxes(found, metals, design, row, column, px):
    """Yield a box for each run of likely pixels along x, with a pixel around it."""
    left, bottom, _, _ = design.die
    for k, metal in enumerate(metals):
        edges = np.diff(found[..., k].astype(np.int8), axis=1, prepend=0, append=0)
        for (j, start), end in zip(
            np.argwhere(edges == 1), np.argwhere(edges == -1)[:, 1], strict=True
        ):
            corners = np.array(
                [column + start - 1, row + j - 1, column + end + 1, row + j + 2], float
            )
            box = np.round(corners * px + [left, bottom, left, bottom]).astype(int)
            yield Guide(metal.name, tuple(box.tolist()))
