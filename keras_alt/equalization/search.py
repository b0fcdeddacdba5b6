"""The search for the powers of two by which channels are scaled."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_alt.equalization.channels import FIXED
from keras_alt.equalization.noise import NEGLIGIBLE, Side, power_above

SHIFTS = np.arange(-24.0, 25.0)  # what one step of the search may add to a class
SWEEPS = 6
ENOUGH = 1e-3  # of the noise: a sweep that gains less is the last
TOO_LARGE = 1e12  # noise of a channel that would exceed its threshold
FEW_SIDES = 8  # of a block, for which pairs of thresholds are tried too


def best_shifts(
    tensors: Sequence[Sequence[Side]], count: int, live: np.ndarray, verbose: bool
) -> np.ndarray:
    """Return log2 of the factor of each class, by which rounding adds the least noise.

    Blocks are visited in turn, while all others stay. A block is all classes that share tensors:
    the channels between two kernels, or those of a residual stream with all that write and read it.
    The thresholds of its tensors are searched; once they are given, each channel is on its own.

    Args:
        tensors: the sides of each tensor, of a kernel or an activation.
        count: number of classes.
        live: whether each class carries information. The others must only fit the thresholds.
        verbose: whether to show a progress bar.
    """
    shifts, blocks = np.zeros(count), _blocks(tensors, count)
    touching = [[t for t in tensors if any(block[s.classes].any() for s in t)] for block in blocks]
    noise = _noise(tensors, shifts, live)
    progress = keras.utils.Progbar(None, verbose=int(verbose), unit_name="block")
    for _ in range(SWEEPS):
        before = noise
        for block, touched in zip(blocks, touching, strict=True):
            shifts = _better(block, touched, shifts, live)
            progress.add(1)
        noise = _noise(tensors, shifts, live)
        if noise > (1 - ENOUGH) * before:
            break
    return shifts


def _noise(tensors, shifts, live):
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
    """Return shifts that are better for a block, or `shifts` if none are."""
    sides = [s for sides in touched for s in sides if block[s.classes].any()]
    moved = shifts.copy()
    moved[block] += _Block(block, sides, shifts, live).search()
    better = _noise(touched, moved, live) < _noise(touched, shifts, live)
    return moved if better else shifts


class _Block:
    """The sides of the tensors that some classes share, and the shifts to add to these classes."""

    def __init__(self, block: np.ndarray, sides: Sequence[Side], shifts, live):
        self.live = live[block]
        self.signs = np.array([side.sign for side in sides])
        self.weights = np.array([side.weight for side in sides])
        largest = np.zeros((len(sides), len(block)))
        for row, side in zip(largest, sides, strict=True):
            np.maximum.at(row, side.classes, side.maxima(shifts))
        # Channels outside of the block keep their scale, and a threshold must not clip them.
        self.lowest = np.where(live & ~block, largest, 0.0).max(axis=1)
        values = largest[:, block]
        values[values < NEGLIGIBLE * values.max(axis=1, keepdims=True)] = 0.0
        self.thresholds = np.maximum(values[:, self.live].max(axis=1, initial=0.0), self.lowest)
        self.scaled = values[..., None] * np.exp2(self.signs[:, None, None] * SHIFTS)
        inverse = np.divide(1.0, self.scaled, out=np.zeros_like(self.scaled), where=self.scaled > 0)
        self.noises = self.weights[:, None, None] * inverse**2

    def search(self) -> np.ndarray:
        """Return what to add to the shift of each class."""
        if not self.live.any() or not self.thresholds.all():
            return np.zeros(len(self.live))
        thresholds = power_above(self.thresholds)
        noise, shifts = self.given(thresholds)
        while True:
            tried = [thresholds * np.exp2(move) for move in self.moves()]
            found = [(*self.given(t), t) for t in tried if (t >= self.lowest).all()]
            best = min(found, key=lambda one: one[0], default=(noise,))
            if best[0] >= (1 - ENOUGH) * noise:
                break
            noise, shifts, thresholds = best
        # The scale of a whole block is free. Left alone, it drifts to where Adam's steps are wrong.
        drift = 0.0 if self.lowest.any() else np.round(np.median(shifts[self.live]))
        return shifts - drift

    def given(self, thresholds: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the least noise at these thresholds, and the shifts that give it."""
        noise = np.tensordot(thresholds**2, self.noises, 1)
        excess = self.scaled / thresholds[:, None, None]
        excess = np.log2(np.maximum(excess, 1.0)).max(axis=0)
        noise = np.where(self.live[:, None], noise, np.abs(SHIFTS) / TOO_LARGE) + TOO_LARGE * excess
        chosen = noise.argmin(axis=1)
        least = noise[np.arange(len(chosen)), chosen]
        return float(least[self.live].sum()), SHIFTS[chosen]

    def moves(self) -> list[np.ndarray]:
        """Return log2 of the changes of thresholds that one step tries."""
        single = [sign * row for row in np.eye(len(self.signs)) for sign in (-1, 1)]
        pairs = [a + b for i, a in enumerate(single) for b in single[:i] if (a + b).any()]
        kinds = [self.signs > 0, self.signs < 0, (self.signs > 0) & (self.weights == 1)]
        groups = [sign * kind for kind in kinds for sign in (-1.0, 1.0)]
        return [*single, *groups, *(pairs if len(self.signs) <= FEW_SIDES else ())]
