"""From the pins of a placed chip to its routed nets."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_route.chip.access import access_points
from keras_route.chip.chip_router import ChipRouter
from keras_route.chip.grid import Grid
from keras_route.chip.guide import guides
from keras_route.chip.placement import Placed
from keras_route.chip.routed_chip import Access, Decisions, RoutedChip
from keras_route.layout.net import Net
from keras_route.pins import PinSets


def route_chip(
    model,
    nets: Mapping[str, np.ndarray],
    die_um: Sequence[float],
    pitch_um: float = 0.19,
    side: int = 32,
    batch_size: int = 128,
    progress: Callable[[int], None] | None = None,
) -> RoutedChip:
    """Route all nets of a placed chip on one grid, so that no two of them touch.

    The network decides nets that fit its window. If an earlier wire is in the way, the cheapest
    free way near the decision is searched. Resistance alone decides larger nets, because the
    network never saw such spans. A net without a free way pushes others aside where that costs
    least, and they are routed again.

        design = read_def("gcd.def", "Nangate45.lef")  # of keras_route.formats.lefdef
        chip = keras_route.route_chip(router, design.nets, design.die_um)
        print(chip.report())
        chip.write("gcd.gds")

    All pins count as pins on m2. Supply wires, blockages and obstacles in cells are not known here.

    Args:
        model: Keras model from images of pins to scores, as for `route`.
        nets: name of each net to the positions of its pins: array (pins, 2) of x and y in
            micrometres, y upwards.
        die_um: left, bottom, right and top of the die in micrometres.
        pitch_um: pitch of the tracks in micrometres.
        side: pixels along a side of the network's window.
        batch_size: nets that the network sees at once.
        progress: called after each attempt with the number of nets that are routed.

    Returns:
        `RoutedChip`: its `nets` and `origins_um`, those `not_routed` with the reasons, its `faults`
        (none if the chip is legal), a `report`, and files by `write`.

    Raises:
        ValueError: there are no nets, positions are no array (pins, 2), a pin lies off the die, the
            die is narrower than a wire, or the pitch is too small.
    """
    positions = {name: _checked(name, places) for name, places in nets.items()}
    if not positions:
        raise ValueError("A chip to route has a net or more. Received: nets={}")
    grid = Grid.over(die_um, pitch_um)
    pins, not_routed, access = _pin_pixels(grid, positions)
    sets = PinSets.of(pins.values())
    router = ChipRouter(grid, sets, guides(model, grid, sets, side, batch_size), list(pins))
    given_up = router.route(progress or (lambda routed: None))
    return RoutedChip(
        grid=grid,
        die_um=tuple(map(float, die_um)),
        placed=tuple(router.placed.values()),
        given_up=tuple(_bare(router, net) for net in given_up),
        not_routed=not_routed | {router.names[net]: why for net, why in given_up.items()},
        access=access,
        decisions=_decisions(router),
    )


def _checked(name, places):
    places = np.asarray(places, float)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(
            "The pins of a net are positions (x, y) in micrometres, an array of shape (pins, 2). "
            f"Received: net {name!r} with positions of shape {places.shape}"
        )
    return places


def _pin_pixels(grid, positions):
    """Return the pixels of each net to route, the reasons why others cannot be, and `Access`."""
    owners = np.repeat(np.arange(len(positions)), [len(net) for net in positions.values()])
    exact = grid.pixels(np.concatenate(list(positions.values())))
    points = access_points(exact, owners, grid)
    away = np.abs(points + 0.5 - exact).max(axis=1, initial=0.0)[points[:, 0] >= 0]
    access = Access(
        pins=len(exact),
        moved=int(np.count_nonzero(away > 0.5 + 1e-6)),
        farthest_um=float(grid.um_per_px * away.max(initial=0.0)),
    )
    pins, left_out = {}, {}
    for i, name in enumerate(positions):
        places = np.unique(points[owners == i], axis=0)
        if (places < 0).any():
            left_out[name] = "other nets' pins have all pixels around one of its pins"
        elif len(places) < 2:
            left_out[name] = "has fewer than two pixels to join"
        else:
            pins[name] = places
    return pins, left_out, access


def _bare(router, net):
    """Return a net without wires, in a window as large as the grid."""
    size = router.grid.size
    pins = tuple((x, y) for x, y in router.pins[net].tolist())
    return Placed(Net(pins, (), (), size, size, name=router.names[net]), 0, 0)


def _decisions(router):
    routed, guided = set(router.placed), set(router.guides)
    searched = routed & router.searched
    return Decisions(
        by_scores=len(routed - searched),
        by_search=len(searched & guided),
        by_resistance=len(searched - guided),
        pushed=router.takes.total(),
    )
