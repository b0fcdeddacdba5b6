"""Cells of LEF files: how large they are, and where their pins are."""

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
        pins: name of each pin, and the centre of its first rectangle: array (2,).
    """

    size: np.ndarray
    pins: dict[str, np.ndarray]


def read_cells(path: str | os.PathLike) -> dict[str, Cell]:
    """Return the cells of a LEF file by name; there are none in a file of layers only.

    Raises:
        ValueError: a cell does not state its size.
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
    boxes = {
        pin: re.search(rf"\bRECT(?:\s+MASK\s+\d+)?{NUMBER * 4}", shapes)
        for pin, shapes in _blocks("PIN", body)
    }
    centres = {
        pin: np.array(box.groups(), float).reshape(2, 2).mean(axis=0)
        for pin, box in boxes.items()
        if box
    }
    return Cell(np.array(size.groups(), float), {p: at + corner for p, at in centres.items()})


def _blocks(keyword, text):
    """Return (name, body) of each block `keyword name ... END name`."""
    return re.findall(
        rf"^\s*{keyword}\s+(\S+)\s(.*?)^\s*END\s+\1(?!\S)", text, re.DOTALL | re.MULTILINE
    )
