"""Random obstacles in a window: straps, blocks as of cells, and single pixels."""

import numpy as np

from keras_route.technology.layers import METALS

HORIZONTAL = [metal.horizontal for metal in METALS.values()]
LONGEST_SIDE = 12  # of a block, in pixels
ATTEMPTS = 1000  # shapes of a window, which may lie on each other


def random_obstacles(height: int, width: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return random obstacles that block about a share of all pixels.

    A window has its own mixture of three kinds. Straps run through the window along the tracks of a
    metal, one to three tracks wide. Blocks are rectangles in up to three neighbouring metals.
    Single pixels lie anywhere.

    Args:
        height: rows of the window.
        width: columns of the window.
        share: of the pixels of all metals, from 0 to 1.
        rng: random numbers.

    Returns:
        bool array (height, width, 4), True where the net must have no m3, m4, m5, m6.
    """
    blocked = np.zeros((height, width, len(METALS)), bool)
    straps, blocks, _ = share * rng.dirichlet(np.full(3, 0.7))
    _fill(blocked, straps, _strap, rng)
    _fill(blocked, straps + blocks, _block, rng)
    missing = share - blocked.mean()
    if missing > 0:
        blocked |= rng.random(blocked.shape) < missing / (1 - blocked.mean())
    return blocked


def _fill(blocked, share, draw, rng):
    """Draw shapes as long as they leave the blocked share below `share`."""
    for _ in range(ATTEMPTS):
        drawn = blocked.copy()
        draw(drawn, rng)
        if drawn.mean() > share:
            return
        blocked[:] = drawn


def _strap(blocked, rng):
    metal = int(rng.integers(len(METALS)))
    tracks = int(rng.integers(1, 4))
    layer = blocked[..., metal] if HORIZONTAL[metal] else blocked[..., metal].T
    first = int(rng.integers(len(layer)))
    layer[first : first + tracks] = True


def _block(blocked, rng):
    height, width, _ = blocked.shape
    sides = rng.integers(2, LONGEST_SIDE + 1, 2)
    y, x = rng.integers(1 - sides, (height, width))
    lowest, metals = rng.integers(len(METALS)), rng.integers(1, 4)
    rows, columns = (slice(max(a, 0), a + side) for a, side in zip((y, x), sides, strict=True))
    blocked[rows, columns, lowest : lowest + metals] = True
