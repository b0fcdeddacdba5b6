"""The pixels at which the pins of a chip meet the tracks."""

import numpy as np

from keras_route.chip.grid import Grid


def access_points(pixels: np.ndarray, nets: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the pixel of each pin; the pins of different nets get different pixels.

    Pins closer than a pitch can fall on one pixel. The nearest pin keeps it. Each other pin takes
    the nearest free pixel of the eight around; a jog on m2 would have to reach it.

    Args:
        pixels: positions (P, 2) in pixels, as floats.
        nets: (P,) integers, the index of each pin's net.
        grid: the tracks.

    Returns:
        (P, 2) integers; -1 for a pin whose nine pixels are all taken.
    """
    around = np.array([(i, j) for j in (-1, 0, 1) for i in (-1, 0, 1)])
    home = np.clip(np.floor(pixels).astype(int), grid.first, grid.last)
    choices = home[:, None] + around
    distance = np.linalg.norm(choices + 0.5 - pixels[:, None], axis=2)
    distance[~grid.on_tracks(choices)] = np.inf
    points = np.full((len(pixels), 2), -1)
    owner: dict[tuple[int, int], int] = {}
    for flat in np.argsort(distance, axis=None, kind="stable"):
        pin, choice = divmod(int(flat), len(around))
        if points[pin, 0] >= 0 or not np.isfinite(distance[pin, choice]):
            continue
        x, y = choices[pin, choice].tolist()
        if owner.setdefault((x, y), nets[pin]) == nets[pin]:
            points[pin] = choices[pin, choice]
    return points
