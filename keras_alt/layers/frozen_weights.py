"""The weights of a layer's kernels that no longer train."""

import keras
import numpy as np
from keras import ops


class FrozenWeights:
    """Masks of the weights that do not train, and the values to which they are set back.

    They are no variables, so a layer whose weights all train has no more than before. A file holds
    the masks beside the layer's variables, a bit for each weight. The values are those of the
    kernel in the file.
    """

    def __init__(self):
        self._held = {}  # for each kernel's role, mask and values as tensors

    def mask(self, role: str, kernel: keras.Variable) -> np.ndarray:
        """Return which weights of a kernel are frozen, a boolean array."""
        if role not in self._held:
            return np.zeros(kernel.shape, bool)
        return ops.convert_to_numpy(self._held[role][0])

    def freeze(self, role: str, kernel: keras.Variable, mask: np.ndarray):
        """Freeze the weights of a kernel that the mask marks, and no others, where they are."""
        values = np.array(ops.convert_to_numpy(kernel))  # a copy, as torch shares the memory
        self._held[role] = ops.convert_to_tensor(mask), ops.convert_to_tensor(values)

    def hold(self, role: str, kernel: keras.Variable):
        """Set the frozen weights of a kernel back to where they were."""
        if role in self._held:
            kernel.assign(ops.where(*self._held[role], kernel.value))

    def save(self, store):
        """Write the masks into the store of a layer's variables."""
        for role, (mask, _) in self._held.items():
            store[_key(role)] = np.packbits(ops.convert_to_numpy(mask))

    def load(self, entries: dict, kernels: dict[str, keras.Variable]):
        """Freeze what is frozen in a file, and nothing else. The kernels have been loaded."""
        self._held = {}
        for role, kernel in kernels.items():
            if _key(role) in entries:
                bits = np.unpackbits(entries[_key(role)], count=np.prod(kernel.shape))
                self.freeze(role, kernel, bits.astype(bool).reshape(kernel.shape))


def without_frozen(entries: dict) -> dict:
    """Return what a file holds of a layer besides its frozen weights."""
    return {key: value for key, value in entries.items() if not key.startswith("frozen_")}


def _key(role):
    return f"frozen_{role}"
