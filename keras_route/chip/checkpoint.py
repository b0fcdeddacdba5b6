"""Routes in a file, so that a run that was interrupted goes on."""

import hashlib
import os

import numpy as np

from keras_route.array_files import read_arrays
from keras_route.chip.design_router import DesignRouter, Route
from keras_route.files import written_whole


def save(router: DesignRouter, path: str | os.PathLike) -> None:
    """Write the routes of a router, whole or not at all."""
    nets = sorted(router.routes)
    routes = [router.routes[net] for net in nets]
    with written_whole(path) as temporary:
        np.savez_compressed(
            temporary,
            design=digest(router),
            nets=np.array(nets, np.int64),
            joined=np.array([route.joined for route in routes], bool),
            wire_counts=np.array([len(route.wires) for route in routes], np.int64),
            via_counts=np.array([len(route.vias) for route in routes], np.int64),
            wires=np.concatenate([np.zeros((0, 5), np.int64), *(r.wires for r in routes)]),
            vias=np.concatenate([np.zeros((0, 5), np.int64), *(r.vias for r in routes)]),
        )


def restore(router: DesignRouter, path: str | os.PathLike) -> int:
    """Give a new router the routes of a file; return their number.

    Raises:
        ValueError: `save` did not write the file, or for another design or other layers.
    """
    try:
        saved = read_arrays(path)
        same = str(saved["design"]) == digest(router)
        wires = np.split(saved["wires"], np.cumsum(saved["wire_counts"])[:-1])
        vias = np.split(saved["vias"], np.cumsum(saved["via_counts"])[:-1])
        rows = list(zip(saved["nets"].tolist(), wires, vias, saved["joined"].tolist(), strict=True))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "Routes to go on with are in a file that an interrupted run left: remove the file to "
            f"begin anew. Received: path={os.fspath(path)!r} ({error})"
        ) from error
    if not same:
        raise ValueError(
            "Routes to go on with are those of the same design, layers and version of the router: "
            f"remove the file to begin anew. Received: path={os.fspath(path)!r}"
        )
    router.restore({net: Route(wire, via, bool(joined)) for net, wire, via, joined in rows})
    return len(rows)


def digest(router: DesignRouter) -> str:
    """Return a hash of what the routes depend on: shapes, nets, tracks, entries, guides."""
    design = router.design
    told = hashlib.sha256(
        repr((design.dbu_per_um, design.die, design.technology, design.tracks)).encode()
    )
    told.update(repr(list(design.nets.items())).encode())
    told.update(repr(router.lattice.lowest).encode())
    shapes = design.shapes
    arrays = (shapes.layer, shapes.box, shapes.net, shapes.pin, router.entries.table)
    for array in (*arrays, *(router.guides[net] for net in sorted(router.guides))):
        told.update(np.ascontiguousarray(array, np.int64).tobytes())
    return told.hexdigest()
