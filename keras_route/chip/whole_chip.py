"""From a placed design to its routed nets."""

import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_route.chip.routed_chip import RoutedChip
from keras_route.formats.lefdef import Guide
from keras_route.layout.design import Design

SAVED_EVERY = 30  # seconds
MOST_METALS = 5  # that have wires by default


def route_chip(
    design: Design,
    layers: tuple[str, str] | None = None,
    guides: Mapping[str, Sequence[Guide]] | None = None,
    time_limit: float | None = None,
    partial: str | os.PathLike | None = None,
    progress: Callable[[int], None] | None = None,
    jobs: int | None = None,
) -> RoutedChip:
    """Route all nets of a placed design, so that they keep the rules of its technology.

    Wires run on the tracks of the design, vias are those of the LEF file, and pins are reached on
    their own metal. Supply, obstructions, blockages, pins without a net and wires that are there
    already are kept clear of.

        design = read_design("placed.def", "tech.lef", "cells.lef")  # of formats.lefdef
        chip = keras_route.route_chip(design)
        print(chip.report())
        chip.write_def("placed.def", "routed.def")

    The first call compiles the search, which takes about a minute; later ones find it compiled.

    Args:
        design: the placed design.
        layers: names of the lowest and the highest metal that get wires. By default, the second
            metal and up to four above it.
        guides: name of a net to the boxes in which its wires are to run, see `read_guides`. Where
            they leave no way, or none without a fight after some rounds, the net leaves them.
        time_limit: seconds after which the search ends, counted from its first net; nets that are
            not routed legally by then are not routed.
        partial: a file for what is routed so far, written every 30 seconds. If it exists, the
            search goes on from it. Remove it when the wires are written to a file.
        progress: called with the number of nets that have a route so far.
        jobs: threads, by default one for each processor; the result does not depend on them.

    Returns:
        `RoutedChip`: its wires, `not_routed` nets with the reasons, a `report`, and files.

    Raises:
        ValueError: a layer has no tracks or vias, `layers` are not metals of the technology from
            below, the time limit is not positive, or `partial` is of another design.
    """
    lowest, highest = _range(design, layers)
    if time_limit is not None and not time_limit > 0:
        raise ValueError(
            "`time_limit` is a number of seconds above 0, or None for no limit. "
            f"Received: time_limit={time_limit}"
        )
    # Imported here, because they import numba, which takes a second.
    from keras_route.chip import checkpoint
    from keras_route.chip.design_router import DesignRouter
    from keras_route.chip.guides import guides_on

    started = time.monotonic()
    router = DesignRouter(design, lowest, highest)
    router.guides = guides_on(router.lattice, design, guides or {})
    if partial is not None and os.path.exists(partial):
        checkpoint.restore(router, partial)
    told = _saving(router, partial, progress or (lambda routed: None))
    router.route(time_limit or np.inf, told, jobs or len(os.sched_getaffinity(0)))
    if partial is not None and os.path.exists(partial):
        checkpoint.save(router, partial)  # until the wires are in a file
    names = list(design.nets)
    return RoutedChip(
        design=design,
        wires=router.wires(),
        routed=tuple(names[net] for net in sorted(router.routes)),
        not_routed={names[net]: why for net, why in sorted(router.reasons.items())},
        tree_um=router.tree_length(router.routes) / design.dbu_per_um,
        seconds=time.monotonic() - started,
    )


def _range(design, layers):
    """Return the indices of the lowest and the highest metal with wires."""
    names = [metal.name for metal in design.technology.metals]
    if layers is None:
        first = min(1, len(names) - 1)
        return first, min(first + MOST_METALS, len(names)) - 1
    if (
        len(layers) != 2
        or not set(layers) <= set(names)
        or names.index(layers[0]) > names.index(layers[1])
    ):
        raise ValueError(
            f"`layers` are the lowest and the highest metal with wires, of {', '.join(names)}. "
            f"Received: layers={layers}"
        )
    return names.index(layers[0]), names.index(layers[1])


def _saving(router, partial, progress):
    """Return a function that tells progress, and saves the routes from time to time."""
    from keras_route.chip import checkpoint

    saved = time.monotonic()

    def told(routed):
        nonlocal saved
        progress(routed)
        if partial is not None and time.monotonic() - saved > SAVED_EVERY:
            checkpoint.save(router, partial)
            saved = time.monotonic()

    return told
