"""What an engine is to `keras_alt.verify`."""

from importlib import metadata

import numpy as np

from keras_alt.integer import Reading


class Engine:
    """Exports a model to a folder and computes the exported file.

    Attributes:
        name: as in `keras_alt.verify(engine=...)`.
        package: that computes, for its version.

    The script that computes a bundle is `keras_alt/engines/device/<name>.py`.
    """

    name: str
    package: str

    def __init__(self, model, reading: Reading, folder: str):
        self.reading, self.program = reading, reading.program
        self.open(model, folder)

    @classmethod
    def version(cls) -> str:
        return f"{cls.package} {metadata.version(cls.package)}"

    def open(self, model, folder: str):
        """Write the file, and open it as a user would."""
        raise NotImplementedError

    def compute(self, arrays: list, codes: list) -> dict[int, np.ndarray]:
        """Return codes by position, those of the program's outputs among them.

        Args:
            arrays: one batch of the Keras model's inputs.
            codes: the same, quantized.
        """
        raise NotImplementedError

    def fed(self, arrays: list, codes: list) -> dict[str, np.ndarray]:
        """Return one batch of inputs as the exported file takes them, by name.

        Args:
            arrays, codes: as in `compute`.
        """
        raise NotImplementedError

    def prepare(self, folder: str) -> list[dict]:
        """Make of `folder` all that the script of a bundle needs, beside inputs and codes.

        Args:
            folder: that `open` wrote to.

        Returns:
            For each output of the program what the script must know to find its codes, as JSON.
        """
        raise NotImplementedError

    def same(self, plain: list, observed: list):
        """Raise an error if looking at tensors inside changed the engine's outputs."""
        for a, b in zip(plain, observed, strict=True):
            if not np.array_equal(a, b):
                raise RuntimeError(
                    f"{self.version()} computes other outputs when its inner tensors are kept, so "
                    "they prove nothing. Received: a difference of "
                    f"{np.abs(a.astype(float) - b).max()}"
                )
