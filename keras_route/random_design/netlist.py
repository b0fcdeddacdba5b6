"""Random nets of placed cells: degrees and distances are drawn as real designs have them.

Distances from the driver follow the power law of Rent's rule. A sink is the input next to the
drawn point that has no net yet, so that every input is driven in the end.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from keras_route.progress import progress_bar
from keras_route.random_design.cells import BY_NAME
from keras_route.random_design.placement import Core, Placed
from keras_route.random_design.process import DBU_PER_UM

SINKS = {1: 0.62, 2: 0.19, 3: 0.095, 4: 0.054}  # share of nets; the others have up to MOST_SINKS
MOST_SINKS = 30
RENT = 0.56  # exponent
CLOCK_SINKS = 24  # of a buffer of the clock
NEAREST_UM, BIN = 1.5, 4 * DBU_PER_UM


@dataclasses.dataclass(frozen=True)
class Port:
    """A pin of the design.

    Args:
        name: of pin and net.
        inward: whether it drives its net.
        x, y: its place in database units.
        vertical: whether it lies at the lower or upper edge.
    """

    name: str
    inward: bool
    x: int
    y: int
    vertical: bool


class _FreePins:
    """Pins without a net, found by place."""

    def __init__(self, places: Iterable[tuple[tuple[str, str], tuple[float, float]]]):
        self.bins: dict[tuple[int, int], list[tuple]] = {}
        for pin, (x, y) in places:
            self.bins.setdefault((int(x // BIN), int(y // BIN)), []).append((pin, x, y))
        self.reach = 1 + max((max(place) for place in self.bins), default=0)

    def take(self, x, y):
        """Remove and return the nearest pin. There must be one.

        Pins of the nearest ring of bins that has any, and of the next ring, are compared.
        """
        column, row = int(x // BIN), int(y // BIN)
        last = None
        found = []
        for radius in range(2 * self.reach + 2):
            if last is not None and radius > last:
                break
            ring = [place for place in _ring(column, row, radius) if place in self.bins]
            found += [(place, item) for place in ring for item in self.bins[place]]
            if found and last is None:
                last = radius + 1
        place, item = min(found, key=lambda at: abs(at[1][1] - x) + abs(at[1][2] - y))
        self.bins[place].remove(item)
        if not self.bins[place]:
            del self.bins[place]
        return item[0]


def _ring(column, row, radius):
    if radius == 0:
        return [(column, row)]
    span = range(-radius, radius + 1)
    sides = range(-radius + 1, radius)
    return [
        *((column + i, row - radius) for i in span),
        *((column + i, row + radius) for i in span),
        *((column - radius, row + i) for i in sides),
        *((column + radius, row + i) for i in sides),
    ]


def connect(
    core: Core,
    cells: Sequence[Placed],
    ports: Sequence[Port],
    clock_pins: int,
    generator: np.random.Generator,
    verbose: bool = True,
) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return name of each net to its pins (component, pin), the driver first.

    The first inward port is the clock. Its net has `clock_pins` clock pins from all over the core.
    Buffers drive the others, some near ones each.

    Args:
        core: where the cells are.
        cells: the placed cells; each drives one net.
        ports: pins of the design; each inward one drives a net, the others are sinks.
        clock_pins: of the clock's net; at least 1.
        generator: draws degrees and distances.
        verbose: whether a bar tells the progress.
    """
    drivers: list[tuple[str, tuple[str, str], tuple[float, float]]] = [
        (port.name, ("PIN", port.name), (port.x, port.y)) for port in ports if port.inward
    ]
    drivers += [
        (f"n{cell.name[1:]}", (cell.name, BY_NAME[cell.cell].output), cell.middle) for cell in cells
    ]
    data = [((cell.name, pin), cell.middle) for cell in cells for pin in BY_NAME[cell.cell].inputs]
    data += [(("PIN", port.name), (port.x, port.y)) for port in ports if not port.inward]
    nets = _clock_nets(drivers, cells, clock_pins, generator)
    others = [driver for driver in drivers if driver[0] not in nets]
    free, sinks = _FreePins(data), _sinks(len(others), len(data), generator)
    farthest = (core.box[2] - core.box[0] + core.box[3] - core.box[1]) / 2 / DBU_PER_UM
    bar = progress_bar(len(others), verbose=verbose)
    for index in generator.permutation(len(others)):
        name, pin, (x, y) = others[index]
        points = (_near(x, y, farthest, generator) for _ in range(sinks.pop()))
        nets[name] = [pin, *(free.take(*point) for point in points)]
        bar.add(1)
    return {name: tuple(nets[name]) for name, *_ in drivers}


def _clock_nets(drivers, cells, clock_pins, generator):
    """Return the nets of the clock: name to pins; none without a cell that has a clock."""
    clocked = [cell for cell in cells if BY_NAME[cell.cell].clocked]
    if not clocked:
        return {}
    order = generator.permutation(len(clocked))
    name, pin, _ = drivers[0]
    nets = {name: [pin, *((clocked[i].name, "CK") for i in order[:clock_pins])]}
    leaves = [((clocked[i].name, "CK"), clocked[i].middle) for i in order[clock_pins:]]
    by_component = {pin[0]: (name, pin, place) for name, pin, place in drivers}
    buffers = [by_component[cell.name] for cell in cells if cell.cell == "BUF_4"]
    if not leaves or not buffers:
        nets[name] += [pin for pin, _ in leaves]
        return nets
    free = _FreePins(leaves)
    count = min(len(buffers), math.ceil(len(leaves) / CLOCK_SINKS))
    for part, index in zip(
        np.array_split(range(len(leaves)), count),
        generator.permutation(len(buffers))[:count],
        strict=True,
    ):
        name, pin, place = buffers[index]
        nets[name] = [pin, *(free.take(*place) for _ in part)]
    return nets


def _sinks(nets, total, generator):
    """Return the number of sinks of each net; their sum is `total`."""
    tail = np.arange(max(SINKS) + 1, MOST_SINKS + 1)
    weights = tail**-1.6
    rest = 1 - sum(SINKS.values())
    shares = np.concatenate([list(SINKS.values()), rest * weights / weights.sum()])
    counts = generator.choice(MOST_SINKS, size=nets, p=shares / shares.sum()) + 1
    while (excess := int(counts.sum()) - total) != 0:
        can = np.flatnonzero(counts > 2) if excess > 0 else np.flatnonzero(counts > 1)
        if not len(can):
            can = np.flatnonzero(counts > 1) if excess > 0 else np.arange(nets)
        some = generator.permutation(can)[: abs(excess)]
        counts[some] -= np.sign(excess)
    return counts.tolist()


def _near(x, y, farthest_um, generator):
    """Return a point whose distance, along x and y, follows the power law."""
    power = 2 * RENT - 2
    low, high = NEAREST_UM**power, max(farthest_um, 2 * NEAREST_UM) ** power
    distance = (low + generator.random() * (high - low)) ** (1 / power) * DBU_PER_UM
    along = distance * generator.random()
    signs = generator.choice([-1, 1], size=2)
    return x + signs[0] * along, y + signs[1] * (distance - along)
