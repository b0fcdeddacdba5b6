"""Figures as aligned text."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from keras_route.evaluation import Figures
from keras_route.formats.net_names import titles
from keras_route.layout.net import Net
from keras_route.layout.steiner import MOST_POINTS
from keras_route.technology.layers import METALS, VIAS
from keras_route.training.search_evaluation import SearchFigures


def figures_table(figures: Mapping[str | int, Figures]) -> str:
    """Return the figures of `evaluate`, a line for each number of pins."""
    names = [field.name for field in dataclasses.fields(Figures)]
    rows = [["pins", *names]]
    for pins, values in figures.items():
        nets, *shares = dataclasses.astuple(values)
        rows.append([str(pins), str(nets), *(f"{share:.2%}" for share in shares)])
    return aligned(rows)


def search_table(figures: Mapping[str, SearchFigures]) -> str:
    """Return the figures of `evaluate_search`, a line for each kind of window."""
    rows = [["windows", "nets", "cost", "cheapest", "legal", "um", "cuts", "ohm"]]
    for kind, row in figures.items():
        shares = (f"{row.cost:.4f}", f"{row.cheapest:.1%}", f"{row.legal:.2%}")
        sizes = (f"{row.um:.2f}", f"{row.cuts:.2f}", f"{row.ohm:.1f}")
        rows.append([kind, str(row.nets), *shares, *sizes])
    return aligned(rows)


def nets_table(nets: Sequence[Net]) -> str:
    """Return a line for each net.

    The columns are the number of pins, the length of the wires and of the shortest tree in
    micrometres, the number of vias without the stacks below the pins, the sum of all resistances in
    ohm, and the number of pixels that differ from the network's decision.
    """
    rows = [["net", "pins", "wire um", "shortest", "vias", "ohm", "changed px"]]
    for net, title in zip(nets, titles(nets), strict=True):
        few = len(set(net.pins)) <= MOST_POINTS
        rows.append(
            [
                title,
                str(len(net.pins)),
                f"{net.wire_length:.2f}",
                f"{net.steiner_length:.2f}" if few else "-",
                str(len(net.vias)),
                f"{net.resistance():.0f}",
                str(net.changed),
            ]
        )
    return aligned(rows)


def layers_summary(nets: Sequence[Net]) -> str:
    """Return two lines: the length of all wires and the number of all vias by layer.

    The stacks of vias below the pins do not count.
    """
    lengths = {metal: math.fsum(net.wire_lengths[metal] for net in nets) for metal in METALS}
    counts = {via: sum(net.via_counts[via] for net in nets) for via in VIAS}
    return (
        f"wire um by layer: {', '.join(f'{metal} {um:.2f}' for metal, um in lengths.items())}\n"
        f"vias by layer: {', '.join(f'{via} {count}' for via, count in counts.items())}"
    )


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
