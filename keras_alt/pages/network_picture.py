"""The picture of a network: boxes, curves between them, and the format of each tensor."""

from dataclasses import dataclass

from keras_alt.pages.layered import layered
from keras_alt.pages.rendering import minus, short

BOX, HEIGHT, ROW = 212, 46, 88  # width and height of a box; distance of rows
LANE, GAP, MARGIN = 10, 18, 14
ABOVE = 20  # pixels between the upper end of a column and its first boxes
ROWS = 8  # in a column
NAME, NOTE = 24, 31  # characters that fit into a box


@dataclass(frozen=True)
class Column:
    """Some rows of a picture. Columns below one another are the whole picture.

    Attributes:
        top, height: where it is in the whole, in pixels.
        boxes: dictionaries with the corner, the texts, the place and the share of products.
        curves: dictionaries with the path of a wire and whether it carries floats.
        labels: dictionaries with the middle of a text on a wire.
    """

    top: int
    height: int
    boxes: list[dict]
    curves: list[dict]
    labels: list[dict]


@dataclass(frozen=True)
class Picture:
    """What the template draws.

    Attributes:
        width: of each column, in pixels.
        box, box_height: size of each box.
        columns: a wide page shows some beside one another, a narrow one below one another.
    """

    width: int
    box: int
    box_height: int
    columns: list[Column]


def picture(wiring, rows) -> Picture:
    """Return the picture of a network.

    Args:
        wiring: `keras_alt.wiring.Wiring`.
        rows: the `LayerRow`s of its layers. A box links to the row of its layer.
    """
    pairs = [(wire.source, wire.target) for wire in wiring.wires]
    drawing = layered(len(wiring.boxes), pairs, BOX, LANE, GAP)
    boxes = [
        (layer, box)
        for (_, layer), box in zip(drawing.centers, _boxes(wiring, rows, drawing), strict=True)
    ]
    labels = list(_labels(wiring.wires, drawing.routes))
    columns = []
    for first in range(0, drawing.layers, ROWS):
        last = min(first + ROWS, drawing.layers)
        curves = [
            {"path": _curve(route), "float": _is_float(wire.format)}
            for wire, route in zip(wiring.wires, drawing.routes, strict=True)
            if route[0][1] < last and route[-1][1] >= first
        ]
        columns.append(
            Column(
                MARGIN + first * ROW - ABOVE,
                (last - first) * ROW,
                [box for layer, box in boxes if first <= layer < last],
                curves,
                [label for layer, label in labels if first <= layer < last],
            )
        )
    return Picture(round(drawing.width + 2 * MARGIN), BOX, HEIGHT, columns)


def _boxes(wiring, rows, drawing):
    numbers = {row.name: number for number, row in enumerate(rows)}
    most = max((row.multiply_accumulates for row in rows), default=0) or 1
    for box, (x, layer) in zip(wiring.boxes, drawing.centers, strict=True):
        number = None if box.is_end else numbers.get(box.name)
        load = 0 if number is None else rows[number].multiply_accumulates / most
        yield {
            "x": round(MARGIN + x - BOX / 2, 1),
            "y": MARGIN + layer * ROW,
            "short": short(box.name, NAME),
            "note": short(_note(box), NOTE),
            "full": _full(box),
            "place": box.place,
            "row": number,
            "load": round(load * (BOX - 2), 1),
        }


def _note(box):
    """Return what the second line of a box tells: the kind of the layer and of its weights."""
    kind, kernel = box.type.removeprefix("Quant"), box.formats.get("kernel")
    return kind if kernel is None else f"{kind} · w {kernel.split()[0]}"


def _full(box):
    formats = "".join(f"\n{role} {text}" for role, text in box.formats.items())
    return f"{box.name}\n{box.type}, output {_sizes(box.shape) or 'scalar'}, {box.place}{formats}"


def _is_float(format):
    return "float" in format


def _curve(route):
    """Return the path of a wire from the lower end of a box to the upper end of another."""
    (x, layer), *others = route
    x, y = MARGIN + x, MARGIN + layer * ROW + HEIGHT
    parts = [f"M{x:.1f} {y}"]
    for number, (x2, layer2) in enumerate(others, 1):
        x2, y2 = MARGIN + x2, MARGIN + layer2 * ROW
        bend = (y + y2) / 2
        parts.append(f"C{x:.1f} {bend:.0f} {x2:.1f} {bend:.0f} {x2:.1f} {y2}")
        x, y = x2, y2
        if number < len(others):
            y += HEIGHT
            parts.append(f"V{y}")
    return "".join(parts)


def _labels(wires, routes):
    """Yield the layer and the text of each tensor.

    It is once below its box, or above each of its readers if they read different formats.
    """
    behind = {}
    for wire, route in zip(wires, routes, strict=True):
        behind.setdefault(wire.source, []).append((_label(wire), route))
    for found in behind.values():
        texts = {text for text, _ in found}
        for text, route in found[:1] if len(texts) == 1 else found:
            (x, layer), below = (route[0], HEIGHT) if len(texts) == 1 else (route[-1], 0)
            y = MARGIN + layer * ROW + below
            length = len(text[0]) + 0.75 * len(text[1]) + 0.9 * len(text[2])
            label = {
                "x": round(MARGIN + x, 1),
                "y": y + (13 if below else -13),
                "text": text[0],
                "exponent": text[1],
                "shape": text[2],
                "half": round(3.3 * length + 8, 1),
            }
            yield layer, label


def _label(wire):
    """Return what is written on a wire: the format, the exponent behind it, the shape."""
    format, shape = wire.format.split()[0], _sizes(wire.shape)
    if wire.exponent is None:
        return format, "", shape
    return f"{format} · 2", minus(wire.exponent), shape


def _sizes(shape):
    return "×".join("?" if size is None else str(size) for size in shape)
