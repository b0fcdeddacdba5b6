"""Files of guides: the boxes in which the wires of each net are to run."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keras_route.files import written_whole
from keras_route.formats.lefdef.statements import LARGEST, Source, mistake, read_text
from keras_route.layout.design import Design


class Guide(NamedTuple):
    """A box on a layer, in database units."""

    layer: str
    box: tuple[int, int, int, int]


def read_guides(path: str | os.PathLike, design: Design) -> dict[str, tuple[Guide, ...]]:
    """Return the guides of nets, by their names.

    Args:
        path: the file; a name that ends in `.gz` is unpacked.
        design: the nets and layers that the file may name.

    Raises:
        ValueError: the file is cut short, or names a net twice, or a net or layer that the design
            does not have.
    """
    text = read_text(path)
    source = Source(os.fspath(path), text, text)
    layers = {metal.name for metal in design.technology.metals}
    found: dict[str, tuple[Guide, ...]] = {}
    net: str | None = None
    boxes: list[Guide] | None = None
    at = 0
    for line in text.splitlines(keepends=True):
        words = line.split()
        if not words:
            pass
        elif net is None:
            _check_name(source, at, words, design, found)
            net = words[0]
        elif boxes is None:
            if words != ["("]:
                raise mistake(
                    source, at, "A parenthesis ( follows the name of a net: add it.", line.strip()
                )
            boxes = []
        elif words == [")"]:
            found[net] = tuple(boxes)
            net = boxes = None
        else:
            boxes.append(_guide(source, at, words, layers))
        at += len(line)
    if net is not None:
        raise mistake(
            source,
            len(text),
            "A file of guides is complete up to the parenthesis ) of its last net: copy it again.",
            f"the end of the file within net {net}, behind {len(found)} complete nets",
        )
    return found


def _check_name(source, at, words, design, found):
    if len(words) != 1 or words[0] not in design.nets:
        raise mistake(
            source,
            at,
            "Each net of a file of guides is one of the design, alone on its line: use the file "
            "that belongs to the design.",
            repr(" ".join(words)),
        )
    if words[0] in found:
        raise mistake(
            source,
            at,
            "Each net has its guides once: join the two, or remove one.",
            f"net {words[0]} for the second time",
        )


def _guide(source, at, words, layers):
    try:
        left, bottom, right, top = (int(word) for word in words[:4])
        layer = words[4]
        small = max(map(abs, (left, bottom, right, top))) <= LARGEST
        fits = small and len(words) == 5 and left < right and bottom < top and layer in layers
    except (ValueError, IndexError):
        fits = False
    if not fits:
        raise mistake(
            source,
            at,
            "A guide is left bottom right top layer, in database units and with a metal of the "
            "technology: correct it.",
            repr(" ".join(words)[:120]),
        )
    return Guide(layer, (left, bottom, right, top))


def write_guides(
    guides: Mapping[str, Sequence[Guide]], path: str | os.PathLike, design: Design
) -> None:
    """Write guides of nets of a design; other tools read such a file in front of their routing.

    Raises:
        ValueError: a net or a layer is none of the design.
    """
    layers = {metal.name for metal in design.technology.metals}
    for net, boxes in guides.items():
        wrong = [box for box in boxes if box[0] not in layers]
        if net not in design.nets or wrong:
            raise ValueError(
                "Guides belong to nets of the design, and lie on metals of its technology: choose "
                f"others. Received: net {net!r}, {wrong[:1] or 'which the design does not have'}"
            )
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for net, boxes in guides.items():
            lines = (f"{' '.join(map(str, box))} {layer}\n" for layer, box in boxes)
            file.write(f"{net}\n(\n{''.join(lines)})\n")
