"""Counts of codes that differ, tensor by tensor."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """The differences between the codes of the Keras model and of an engine, for one tensor.

    Attributes:
        name: name of the quantizer.
        mismatches: number of codes that differ.
        total: number of codes compared.
        max_lsb: largest difference, in grid steps.
    """

    name: str
    mismatches: int
    total: int
    max_lsb: int


class Counts:
    """Counts the differences of each tensor over all batches.

    Args:
        names: the name of the tensor for each key that `add` is given.
    """

    def __init__(self, names):
        self.names = names
        self.counts = {}

    def add(self, key, expected: np.ndarray, codes: np.ndarray):
        """Add a batch of codes of one tensor."""
        expected, codes = matched(expected, codes, self.names[key])
        mismatches, total, most = self.counts.get(key, (0, 0, 0))
        if np.array_equal(expected, codes):  # needs no array of differences
            self.counts[key] = (mismatches, total + expected.size, most)
            return
        difference = np.abs(expected - codes)
        self.counts[key] = (
            mismatches + int(np.count_nonzero(difference)),
            total + difference.size,
            max(most, int(np.ceil(difference.max(initial=0)))),
        )

    def rows(self) -> dict:
        """Return the `Difference` of each key, in the order in which they came."""
        return {key: Difference(self.names[key], *counts) for key, counts in self.counts.items()}


def matched(expected: np.ndarray, codes: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return codes in one shape; raise an error if they belong to tensors of different shapes.

    What depends on no input, such as a position embedding, may come for one sample.
    """
    if codes.shape[1:] == expected.shape[1:] and 1 in (len(codes), len(expected)):
        expected, codes = np.broadcast_arrays(expected, codes)
    if codes.shape != expected.shape:
        raise RuntimeError(
            f"The engine must return '{name}' in the shape that Keras has. "
            f"Received: shape={codes.shape}, expected {expected.shape}"
        )
    return expected, codes
