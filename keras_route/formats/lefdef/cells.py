"""Cells of LEF files: their sizes, and the positions of their pins."""

import dataclasses
import os
import re

import numpy as np

NUMBER = r"\s+(-?[\d.]+)"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell whose lower left corner is (0, 0), in micrometres.

    Args:
        size: array (2,), along x and y.
        pins: name of each pin to a point of its metal, array (2,): the centre of its first
            rectangle, or a point inside its first polygon.
    """

    size: np.ndarray
    pins: dict[str, np.ndarray]


def read_cells(path: str | os.PathLike) -> dict[str, Cell]:
    """Return the cells of a LEF file by name; a technology file has none.

    Raises:
        ValueError: a cell has no size.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        text = re.sub(r"#.*", "", file.read())
    return {name: _cell(name, body, path) for name, body in _blocks("MACRO", text)}


def _cell(name, body, path):
    size = re.search(rf"\bSIZE{NUMBER}\s+BY{NUMBER}", body)
    if size is None:
        raise ValueError(
            "A macro of a LEF file states its SIZE: use the LEF that the design was placed with. "
            f"Received: path={os.fspath(path)!r}, macro {name}"
        )
    origin = re.search(rf"\bORIGIN{NUMBER}{NUMBER}", body)
    corner = np.array(origin.groups() if origin else (0, 0), float)
    points = {pin: _point(shapes) for pin, shapes in _blocks("PIN", body)}
    pins = {pin: at + corner for pin, at in points.items() if at is not None}
    return Cell(np.array(size.groups(), float), pins)


def _point(shapes):
    """Return a point of a pin's metal; None if it has none."""
    box = re.search(rf"\bRECT(?:\s+MASK\s+\d+)?((?:{NUMBER}){{4}})", shapes)
    if box:
        return _corners(box[1]).mean(axis=0)
    polygon = re.search(rf"\bPOLYGON(?:\s+MASK\s+\d+)?((?:{NUMBER})+)", shapes)
    return inside(_corners(polygon[1])) if polygon else None


def _corners(text):
    return np.array(text.split(), float).reshape(-1, 2)


def inside(corners: np.ndarray) -> np.ndarray:
    """Return a point inside a polygon, given as its corners (n, 2).

    Its height is half-way between the two lowest heights of corners. At that height, it lies in the
    middle of the polygon's first stretch.
    """
    level = np.unique(corners[:, 1])[:2].mean()
    crossings = [
        x0 + (level - y0) * (x1 - x0) / (y1 - y0)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        if (y0 < level) != (y1 < level)
    ]
    return np.array((np.mean(sorted(crossings)[:2]), level))


def _blocks(keyword, text):
    """Return (name, body) of each block `keyword name ... END name`."""
    return re.findall(
        rf"^\s*{keyword}\s+(\S+)\s(.*?)^\s*END\s+\1(?!\S)", text, re.DOTALL | re.MULTILINE
    )
