"""The function that writes nets to a file, chosen by the suffix."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from keras_route.files import written_whole
from keras_route.formats.gds import write_gds
from keras_route.formats.lefdef import write_def
from keras_route.formats.sheets import write_png, write_svg
from keras_route.layout.net import Net

Writer = Callable[[Sequence[Net], str | os.PathLike], None]


def writer(path: str | os.PathLike) -> Writer:
    """Return the function `write(nets, path)` for the suffix of `path`.

    Raises:
        ValueError: no format has this suffix.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in WRITERS:
        raise ValueError(
            f"Nets are written to files that end in {', '.join(WRITERS)}. "
            f"Received: path={os.fspath(path)!r}"
        )
    return WRITERS[suffix]


def write_json(nets: Sequence[Net], path: str | os.PathLike) -> None:
    """Write nets as a JSON list of the objects of `Net.to_json`."""
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump([dataclasses.asdict(net) for net in nets], file, default=np.generic.item)


WRITERS: dict[str, Writer] = {
    ".gds": write_gds,
    ".def": write_def,
    ".json": write_json,
    ".svg": write_svg,
    ".png": write_png,
}
