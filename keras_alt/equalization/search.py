"""The search for the powers of two by which channels are scaled."""

from collections.abc import Sequence

import numpy as np

from keras_alt.equalization.channels import FIXED
from keras_alt.equalization.noise import NEGLIGIBLE, Side
from keras_alt.progress import progress_bar

SWEEPS = 6
ENOUGH = 1e-3  # of the noise: a sweep that gains less is the last
FARTHEST = 24.0  # log2 of the largest factor that one step of the search gives to a class
FEW_SIDES = 8  # of a block, for which pairs of thresholds are moved too


def best_shifts(
    tensors: Sequence[Sequence[Side]], count: int, live: np.ndarray, verbose: bool
) -> np.ndarray:
    """Return log2 of the factor of each class, by which rounding adds the least noise.

    Blocks are visited in turn, while all others stay. A block is all classes that share tensors:
    the channels between two kernels, or those of a residual stream with all that write and read it.

    Args:
        tensors: the sides of each tensor, of a kernel or an activation.
        count: number of classes.
        live: whether each class carries information. The others must only fit the thresholds.
        verbose: whether to show a progress bar.
    """
    shifts, blocks = np.zeros(count), _blocks(tensors, count)
    touching = [[t for t in tensors if any(block[s.classes].any() for s in t)] for block in blocks]
    noise = total_noise(tensors, shifts, live)
    progress = progress_bar(None, "block", verbose)
    for _ in range(SWEEPS):
        before = noise
        for block, touched in zip(blocks, touching, strict=True):
            shifts = _better(block, touched, shifts, live)
            progress.add(1)
        noise = total_noise(tensors, shifts, live)
        if noise > (1 - ENOUGH) * before:
            break
    return shifts


def total_noise(tensors: Sequence[Sequence[Side]], shifts: np.ndarray, live: np.ndarray) -> float:
    """Return the noise that rounding adds to all tensors."""
    return sum(side.noise(shifts, live) for sides in tensors for side in sides)


def _blocks(tensors, count):
    """Return masks of the classes that share tensors."""
    labels = np.arange(count)
    sides = [np.unique(side.classes[side.classes != FIXED]) for sides in tensors for side in sides]
    changed = True
    while changed:
        changed = False
        for classes in filter(len, sides):
            lowest = labels[classes].min()
            changed |= bool((labels[classes] != lowest).any())
            labels[classes] = lowest
    return [labels == label for label in np.unique(labels[1:])]


def _better(block, touched, shifts, live):
    """Return better shifts for a block, or `shifts` if there are none.

    Shifts of the same noise are taken: channels without information may fit better then.
    """
    sides = [s for sides in touched for s in sides if block[s.classes].any()]
    before = total_noise(touched, shifts, live)
    moved = shifts.copy()
    moved[block] = _Block(block, sides, shifts, live).search()
    return moved if total_noise(touched, moved, live) <= before else shifts


class _Block:
    """The sides of the tensors that some classes share, and the best shifts of these classes.

    Once the thresholds of the tensors are given, each class is on its own: its noise is a convex
    function `a * 4**-k + b * 4**k` of its shift `k`, where `a` is the noise on the sides that are
    multiplied and `b` that on the sides that are divided. So only the thresholds are searched.
    """

    def __init__(self, block: np.ndarray, sides: Sequence[Side], shifts, live):
        self.live, self.shifts = live[block], shifts[block]
        self.up = np.array([side.sign > 0 for side in sides])
        self.is_kernel = np.array([side.weight == 1 for side in sides])
        largest = np.zeros((len(sides), len(block)))
        for row, side in zip(largest, sides, strict=True):
            np.maximum.at(row, side.classes, side.maxima(shifts))
        values = largest[:, block]
        values[values < NEGLIGIBLE * values.max(axis=1, keepdims=True)] = 0.0
        with np.errstate(divide="ignore"):
            self.logs = np.log2(values)  # -inf where nothing counts
            # Channels outside of the block keep their scale, and a threshold must not clip them.
            self.lowest = np.log2(np.where(live & ~block, largest, 0.0).max(axis=1))
        weights = np.array([side.weight for side in sides])[:, None]
        self.noises = np.where(values > 0, weights * np.exp2(-2 * self.logs), 0.0)

    def search(self) -> np.ndarray:
        """Return the shift of each class."""
        inside = self.logs[:, self.live].max(axis=1, initial=-np.inf)
        thresholds = np.ceil(np.maximum(inside, self.lowest))
        if not np.isfinite(thresholds).all():
            return self.shifts
        noise, moved = self.given(thresholds)
        improves = True
        while improves:
            improves = False
            for move in self.moves():
                tried = thresholds + move
                if (tried < self.lowest).any():
                    continue
                least, found = self.given(tried)
                if least < (1 - ENOUGH) * noise:
                    noise, moved, thresholds, improves = least, found, tried, True
        moved = self.shifts + moved
        # The scale of a whole block is free. Left alone, it drifts to where Adam's steps are wrong.
        is_free = not np.isfinite(self.lowest).any()
        return moved - np.round(np.median(moved[self.live])) * is_free

    def given(self, thresholds: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the least noise at thresholds, given by their log2, and the shifts for it."""
        up, powers = self.up, np.exp2(2 * thresholds)
        room = thresholds[:, None] - self.logs
        highest = np.floor(room[up].min(axis=0, initial=FARTHEST))
        lowest = -np.floor(room[~up].min(axis=0, initial=FARTHEST))
        if (lowest > highest)[self.live].any():
            return np.inf, self.shifts
        falling, rising = powers[up] @ self.noises[up], powers[~up] @ self.noises[~up]
        with np.errstate(divide="ignore", invalid="ignore"):
            # `a * 4**-k + b * 4**k` is equal at k and k + 1 if 4**(2 * k + 1) = a / b.
            best = np.ceil(np.log2(falling / rising) / 4 - 0.5)
        # A channel without information stays where it is if it fits.
        best = np.where(self.live & ~np.isnan(best), best, 0.0)
        middle = np.floor((lowest + highest) / 2)
        best = np.where(lowest > highest, middle, np.clip(best, lowest, highest))
        noise = falling * np.exp2(-2 * best) + rising * np.exp2(2 * best)
        return float(noise[self.live].sum()), best

    def moves(self) -> list[np.ndarray]:
        """Return the changes of thresholds that are tried, as log2."""
        single = [sign * row for row in np.eye(len(self.up)) for sign in (-1, 1)]
        pairs = [a + b for i, a in enumerate(single) for b in single[:i] if (a + b).any()]
        kinds = [self.up, ~self.up, self.up & self.is_kernel]
        groups = [sign * kind for kind in kinds for sign in (-1.0, 1.0)]
        return [*single, *groups, *(pairs if len(self.up) <= FEW_SIDES else ())]
