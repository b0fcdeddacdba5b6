"""Nets by the layout rule, as images: of given pins, and of random pins."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from keras_route.argument_checks import check_flag, check_integer, check_length
from keras_route.data.layout_rule import draw_by_rule, draw_pins
from keras_route.pins import HELD_OUT_SHARE, PinSets, checked_pins, join

BLOCK = 512  # nets drawn at once: their labels fit a processor's cache
ATTEMPTS = 1000
MOST_SIDE = 4096  # pixels of a window; it is held in memory as a whole
MOST_PINS = 10_000
MOST_NETS = 10**9  # they would take months
SPLITS = {None: 1.0, "train": 1 - HELD_OUT_SHARE, "validation": HELD_OUT_SHARE}


def draw_net(
    pins, height: int = 32, width: int = 32, window_um: float = 11.0, deduplicate: bool = False
) -> np.ndarray:
    """Return the label image that the layout rule gives one net.

    Args:
        pins: list of `(x, y)` pixels, y = 0 at the top; two or more, not all in one place.
        height: rows of the window.
        width: columns of the window.
        window_um: length of both sides of the window in micrometres.
        deduplicate: whether repeated pins count once in the mean that places the trunk. The
            published rule counts every repetition; an image of the pins does not show them.

    Returns:
        (height, width, 8) uint8 of zeros and ones, channels as in `LAYERS`.

    Raises:
        TypeError: coordinates are not integers.
        ValueError: fewer than two pins differ, or a pin lies outside the window.
    """
    family = NetFamily(height=height, width=width, window_um=window_um, deduplicate=deduplicate)
    nets = PinSets.of([checked_pins(pins, height, width)])
    return family.images(nets.distinct() if deduplicate else nets)[1][0]


def generate(
    count: int,
    seed: int = 0,
    height: int = 32,
    width: int = 32,
    min_pins: int = 2,
    max_pins: int = 5,
    window_um: float = 11.0,
    deduplicate: bool = False,
    split: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return random nets: images of their pins, and their label images.

    The number of pins and the place of each pin are uniform. A net whose pins are all in one place
    is drawn again. The first nets of a seed are the same for every `count`.

    Args:
        count: number of nets.
        seed: integer >= 0.
        height: rows of the window.
        width: columns of the window.
        min_pins: least number of pins, 2 or more.
        max_pins: largest number of pins.
        window_um: length of both sides of the window in micrometres.
        deduplicate: whether repeated pins are left out. An image of pins then has one label, and a
            net has at least `min_pins` distinct pins. The published data has repeated pins.
        split: `"train"` or `"validation"` draws nets of one side of a split; None draws from all. A
            hash of the pins decides the side, so no image of pins is on both sides, whatever the
            seeds. One net in eight is for validation.

    Returns:
        `(x, y)`: uint8 of zeros and ones, (count, height, width, 1) pins and
        (count, height, width, 8) labels, channels as in `LAYERS`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range, or almost no random net meets the conditions.
    """
    family = NetFamily(height, width, min_pins, max_pins, window_um, deduplicate, split)
    check_integer("count", count, 0, MOST_NETS)
    x = np.zeros((count, height, width, 1), np.uint8)
    y = np.zeros((count, height, width, 8), np.uint8)
    for start, pins in family.blocks(count, seed):
        family.draw(pins, x[start : start + len(pins)], y[start : start + len(pins)])
    return x, y


@dataclasses.dataclass(frozen=True)
class NetFamily:
    """The distribution of random nets. Args and errors: see `generate`."""

    height: int = 32
    width: int = 32
    min_pins: int = 2
    max_pins: int = 5
    window_um: float = 11.0
    deduplicate: bool = False
    split: str | None = None

    def __post_init__(self) -> None:
        check_integer("height", self.height, 1, MOST_SIDE)
        check_integer("width", self.width, 1, MOST_SIDE)
        if self.height * self.width < 2:
            raise ValueError(
                "A window must have room for two pins. "
                f"Received: height={self.height}, width={self.width}"
            )
        check_integer("min_pins", self.min_pins, 2)
        check_integer("max_pins", self.max_pins, self.min_pins, MOST_PINS)
        check_length("window_um", self.window_um, "a window's side")
        check_flag("deduplicate", self.deduplicate)
        if not isinstance(self.split, str | None) or self.split not in SPLITS:
            raise ValueError(
                f'`split` must be "train", "validation" or None. Received: split={self.split!r}'
            )

    def blocks(self, count: int, seed: int) -> Iterator[tuple[int, PinSets]]:
        """Yield `(start, pins)`: random nets of a seed, up to `BLOCK` at a time."""
        for start in range(0, count, BLOCK):
            pins = self.random_pins(BLOCK, random_stream(seed, start // BLOCK))
            yield start, pins.part(0, count - start)

    def random_pins(self, count: int, rng: np.random.Generator) -> PinSets:
        """Return the pins of `count` random nets."""
        found: list[PinSets] = []
        missing = count
        for _ in range(ATTEMPTS):
            pins = self._candidates(8 + math.ceil(missing / SPLITS[self.split]), rng)
            found.append(pins.part(0, missing))
            missing -= len(found[-1])
            if not missing:
                return join(found)
        raise ValueError(
            "Next to no random net fulfils these conditions: fewer pins, a larger window or "
            f"another split allow more. Received: {self}"
        )

    def draw(self, pins: PinSets, x: np.ndarray, y: np.ndarray) -> None:
        """Draw nets into zeros of uint8, (N, H, W, 1) and (N, H, W, 8); see `draw_by_rule`."""
        draw_pins(pins, x)
        draw_by_rule(pins, self.window_um, y)

    def images(self, pins: PinSets) -> tuple[np.ndarray, np.ndarray]:
        """Return `(x, y)` of given pins, as `generate` does of random pins."""
        x = np.zeros((len(pins), self.height, self.width, 1), np.uint8)
        y = np.zeros((len(pins), self.height, self.width, 8), np.uint8)
        self.draw(pins, x, y)
        return x, y

    def _candidates(self, count, rng):
        """Return up to `count` random nets; those that miss a condition are left out."""
        counts = rng.integers(self.min_pins, self.max_pins + 1, count)
        y, x = np.divmod(rng.integers(self.height * self.width, size=counts.sum()), self.width)
        pins = PinSets(x, y, counts)
        distinct = pins.distinct()
        if self.deduplicate:
            pins = distinct
        belong = distinct.counts >= (self.min_pins if self.deduplicate else 2)
        if self.split is not None:
            belong &= distinct.held_out() == (self.split == "validation")
        return pins.select(belong)


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of a seed and a key; those of other keys are independent."""
    check_integer("seed", seed, 0)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
