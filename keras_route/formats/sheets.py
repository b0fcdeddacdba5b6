"""Sheets of pictures: nets side by side, with their names."""

import math
import os
from collections.abc import Sequence

from keras_route.files import written_whole
from keras_route.formats.net_names import titles
from keras_route.layout import pictures
from keras_route.layout.net import Net

MARGIN, UNITS = 2, 16  # of a sheet: pixels around a window, dots of a pixel


def write_svg(nets: Sequence[Net], path: str | os.PathLike) -> None:
    """Write the pictures of nets side by side, with their names, as SVG."""
    columns = math.ceil(math.sqrt(len(nets)))
    across = UNITS * (MARGIN + max((net.width for net in nets), default=0))
    down = UNITS * (MARGIN + max((net.height for net in nets), default=0))
    size = f'width="{columns * across}" height="{-(-len(nets) // max(columns, 1)) * down}"'
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n')
        file.write('<rect width="100%" height="100%" fill="gainsboro"/>\n')
        for i, (net, title) in enumerate(zip(nets, titles(nets), strict=True)):
            x, y = i % columns * across + UNITS * MARGIN // 2, i // columns * down
            file.write(
                f'<g transform="translate({x} {y})"><text y="{UNITS * 1.2:g}" '
                f'font-family="sans-serif" font-size="{UNITS}">{_escaped(title)}</text>'
                f'<g transform="translate(0 {UNITS * 1.5:g})">\n{pictures.svg(net)}</g></g>\n'
            )
        file.write("</svg>\n")


def write_png(nets: Sequence[Net], path: str | os.PathLike) -> None:
    """Write the pictures of nets side by side, with their names, as PNG.

    Raises:
        ImportError: matplotlib is not installed.
    """
    drawing = _figure(nets)
    with written_whole(path) as temporary:
        drawing.savefig(temporary, format="png", dpi=120)


def _figure(nets):
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "PNG pictures are drawn by matplotlib: pip install matplotlib, or write SVG."
        ) from error
    columns = max(math.ceil(math.sqrt(len(nets))), 1)
    rows = max(-(-len(nets) // columns), 1)
    drawing = Figure(figsize=(2.2 * columns, 2.4 * rows), layout="constrained")
    axes = drawing.subplots(rows, columns, squeeze=False).flat
    for axis, net, title in zip(axes, nets, titles(nets), strict=False):
        axis.imshow(pictures.colours(net.to_labels()), interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        # A dollar sign would start a formula.
        axis.set_title(title.replace("$", r"\$"), fontsize=8)
    for axis in axes[len(nets) :]:
        axis.remove()
    return drawing


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")
