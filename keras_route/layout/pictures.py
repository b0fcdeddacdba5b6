"""Pictures of nets in the published colours."""

import importlib
import os

import numpy as np

from keras_route.files import written_whole
from keras_route.technology.layers import LAYERS, METALS, PIN_COLOUR, VIAS

COLOURS = {"pin": PIN_COLOUR} | {name: layer.colour for name, layer in (METALS | VIAS).items()}


def colours(labels) -> np.ndarray:
    """Return label images in colour: the mean colour of the layers of a pixel, or white.

    Args:
        labels: array (..., height, width, 8) of zeros and ones, layers in the order of `LAYERS`.

    Returns:
        uint8 array (..., height, width, 3).
    """
    labels = np.asarray(labels, "float32")
    table = np.array([COLOURS[name] for name in LAYERS], "float32")
    count = labels.sum(axis=-1, keepdims=True)
    mean = labels @ table / np.maximum(count, 1)
    return np.where(count > 0, mean, 255).round().astype("uint8")


def write_png(labels, path: str | os.PathLike, scale: int = 16) -> None:
    """Write a label image (height, width, 8) as PNG, with `scale` x `scale` dots for each pixel.

    Raises:
        ImportError: matplotlib is not installed.
    """
    image = colours(labels).repeat(scale, axis=0).repeat(scale, axis=1)
    module = _matplotlib("image")
    with written_whole(path) as temporary:
        module.imsave(temporary, image, format="png")


def figure(actual, predicted, columns: int = 3):
    """Return a matplotlib figure of actual nets, with the predicted nets below them.

    Args:
        actual: label images (count, height, width, 8).
        predicted: label images of the same shape.
        columns: pairs side by side.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the shapes differ.
    """
    if np.shape(actual) != np.shape(predicted) or np.ndim(actual) != 4:
        raise ValueError(
            "Pictures are compared in pairs of the shape (count, height, width, 8). Received: "
            f"actual of shape {np.shape(actual)}, predicted of shape {np.shape(predicted)}"
        )
    module = _matplotlib("figure")
    rows = 2 * -(-len(actual) // columns)
    drawing = module.Figure(figsize=(2 * columns, 2.2 * rows), layout="constrained")
    axes = drawing.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for axis in axes[-2:, len(actual) % columns or columns :].flat:
        axis.remove()
    for i, pair in enumerate(zip(colours(actual), colours(predicted), strict=True)):
        row, column = divmod(i, columns)
        for below, (image, title) in enumerate(zip(pair, ("actual", "predicted"), strict=True)):
            axis = axes[2 * row + below, column]
            axis.imshow(image, interpolation="nearest")
            axis.set_title(f"{title} {i}", fontsize=8)
    return drawing


def write_comparison(actual, predicted, path: str | os.PathLike, columns: int = 3) -> None:
    """Write the `figure` of actual and predicted label images as PNG."""
    drawing = figure(actual, predicted, columns)
    with written_whole(path) as temporary:
        drawing.savefig(temporary, format="png", dpi=120)


def write_svg(net, path: str | os.PathLike) -> None:
    """Write a `Net` as SVG; wires are narrower than a pixel, and pins and vias lie on top."""
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(svg(net))


def svg(net) -> str:
    """Return the SVG text of a `Net`; a pixel is 16 dots wide, and each part has a title."""
    shapes = [
        *(_box(str(w), w.layer, w.x0, w.y0, w.x1, w.y1, margin=0.2) for w in net.wires),
        *(_box(f"pin at ({x}, {y})", "pin", x, y, x, y, margin=0.1) for x, y in net.pins),
        *(_box(str(via), via.layer, via.x, via.y, via.x, via.y, margin=0.3) for via in net.vias),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{16 * net.width}" '
            f'height="{16 * net.height}" viewBox="0 0 {net.width} {net.height}">',
            '<rect width="100%" height="100%" fill="white"/>',
            *shapes,
            "</svg>\n",
        ]
    )


def _box(title, layer, x0, y0, x1, y1, margin):
    width, height = x1 - x0 + 1 - 2 * margin, y1 - y0 + 1 - 2 * margin
    return (
        f'<rect x="{x0 + margin:g}" y="{y0 + margin:g}" width="{width:g}" height="{height:g}" '
        f'fill="rgb{COLOURS[layer]}" fill-opacity="0.7"><title>{title}</title></rect>'
    )


def _matplotlib(name):
    try:
        return importlib.import_module(f"matplotlib.{name}")
    except ImportError as error:
        raise ImportError(
            "Pictures other than SVG are drawn by matplotlib: pip install matplotlib, or write SVG."
        ) from error
