"""The contract between `keras_alt.verify` and an engine."""

from importlib.resources.abc import Traversable
from typing import Protocol

import numpy as np

from keras_alt.integer import Reading


class Engine(Protocol):
    """Writes a model to a file, and computes what the file holds.

    `keras_alt.engines.ENGINES` holds the classes by name. A class needs the attributes and methods
    below; it need not derive from this one. `keras_alt.verify` creates one engine for each proof.

    Attributes:
        name: as in `keras_alt.verify(engine=...)` and in `Target.engines`.
        device: the script that computes a bundle, a resource of the engine's package. It has a
            function `version() -> str`, and a function `compute(folder, about, inputs)`, which
            returns an array of codes for each output. `folder` is that of the bundle, `about` its
            `bundle.json`, `inputs` all samples as `fed` gives them, by name. The script is copied
            to the bundle as `engine.py` and must not import this package.
    """

    name: str
    device: Traversable

    def __init__(self, reading: Reading, folder: str):
        """Write the file that the exporter writes, and open it as a user would.

        Args:
            reading: of the model. Its target lists the engine, and its sums fit the engine.
            folder: an empty one, which exists as long as the engine does.

        Raises:
            ImportError: a package is missing; the message says what to install.
            ExportError: the file cannot hold the program.
        """

    @classmethod
    def version(cls) -> str:
        """Return name and version of the package that computes. Called after a proof."""

    def compute(self, arrays: list[np.ndarray], codes: list[np.ndarray]) -> dict[int, np.ndarray]:
        """Return the codes of one batch of samples. Called once for each batch of a proof.

        Args:
            arrays: inputs of the Keras model, each of shape `(samples, ...)`, floats or integers.
            codes: those of `reading.program.inputs`, of shape `(samples, *tensor.shape)`, int64.

        Returns:
            Codes of shape `(samples, *tensor.shape)` by position in the program: those of
            the outputs, and of every tensor inside that the engine shows. Whole numbers of any
            type; a float beside the grid counts as a difference.
        """

    def fed(self, arrays: list[np.ndarray], codes: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return one batch as the file takes it, by name. Called for each batch of a bundle.

        Args:
            arrays, codes: as in `compute`.
        """

    def prepare(self, folder: str) -> list[dict]:
        """Make of a folder all that `device` needs beside the inputs. Called once, at the end.

        Args:
            folder: that the engine wrote to. It is copied to the bundle as `model`.

        Returns:
            For each output of the program what `device` must know to find its codes, as JSON takes
            it; `device` has it as `about["outputs"]`.
        """
