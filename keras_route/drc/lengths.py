"""Length of wire by layer and by net, as the text of a DEF file gives it."""

import collections
import os
from collections.abc import Iterable, Mapping

import numpy as np

from keras_route.drc.def_text import RoutedNet, read_def_text


def wire_lengths_um(path: str | os.PathLike) -> Mapping[str, Mapping[str, float]]:
    """Return name of each net of a DEF file to the length of its wires on each layer.

    Lengths are those of centre lines; where two lines of a net lie on each other, they count once.
    Special nets are left out.

    Args:
        path: the DEF file.

    Raises:
        ValueError: the file is no complete DEF file.
    """
    text = read_def_text(path)
    return lengths_um(text.nets, text.dbu_per_um)


def lengths_um(nets: Iterable[RoutedNet], dbu_per_um: int) -> Mapping[str, Mapping[str, float]]:
    """Return the same for nets that are read already."""
    return {net.name: _lengths(net.lines, dbu_per_um) for net in nets if not net.special}


def _lengths(lines, dbu_per_um):
    """Return name of each layer to the length of the union of its lines."""
    tracks = collections.defaultdict(list)
    for layer, x0, y0, x1, y1 in lines:
        if x0 == x1:
            tracks[layer, True, x0].append((y0, y1))
        else:
            tracks[layer, False, y0].append((x0, x1))
    found = collections.Counter()
    for (layer, *_), spans in tracks.items():
        spans.sort()
        starts, ends = np.array(spans).T
        covered = np.maximum.accumulate(ends)
        begins = np.maximum(starts[1:], covered[:-1])
        length = int(ends[0] - starts[0]) + int(np.maximum(ends[1:] - begins, 0).sum())
        found[layer] += length / dbu_per_um
    return dict(found)
