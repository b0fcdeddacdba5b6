"""The contract between `keras_alt.verify` and an engine."""

from importlib.resources.abc import Traversable
from typing import Protocol

import numpy as np

from keras_alt.integer import Reading


class Engine(Protocol):
    """Writes a model to a file and computes the codes of that file.

    `keras_alt.engines.ENGINES` holds the classes by name. A class needs the attributes and methods
    below; it need not inherit from this one. `keras_alt.verify` creates one engine for each proof.

    Attributes:
        name: as in `keras_alt.verify(engine=...)` and in `Target.engines`.
        device: the script that computes a bundle, a resource of the engine's package. It is copied
            to the bundle as `engine.py` and must not import this package. It defines
            `version() -> str` and `compute(folder, about, inputs)`. `compute` returns an array of
            codes for each of `about["outputs"]`. `folder` is the folder of the bundle. `about` is
            the content of its `bundle.json`. `inputs` has all samples by name, as `fed` returns
            them.
    """

    name: str
    device: Traversable

    def __init__(self, reading: Reading, folder: str):
        """Write the same file as the exporter, and open it as a user would.

        Args:
            reading: the `Reading` of the model. Its target lists the engine, and its sums fit.
            folder: an empty folder that exists as long as the engine.

        Raises:
            ImportError: a package is missing; the message says what to install.
            ExportError: the file cannot hold the program.
        """

    @classmethod
    def version(cls) -> str:
        """Return the name and version of the package that computes. Called after a proof."""

    def compute(self, arrays: list[np.ndarray], codes: list[np.ndarray]) -> dict[int, np.ndarray]:
        """Return the codes of one batch of samples. Called once for each batch of a proof.

        Args:
            arrays: inputs of the Keras model, each of shape `(samples, ...)`, floats or integers.
            codes: int64 codes of `reading.program.inputs`, each of shape
                `(samples, *tensor.shape)`.

        Returns:
            `{position in the program: codes of shape (samples, *tensor.shape)}`. It has all outputs
            and every inner tensor that the engine shows. Codes are whole numbers of any type. A
            float off the grid counts as a difference.
        """

    def fed(self, arrays: list[np.ndarray], codes: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return one batch in the form that the file takes, by name of the input.

        Called for each batch of a bundle.

        Args:
            arrays, codes: as in `compute`.
        """

    def prepare(self, folder: str) -> list[dict]:
        """Complete a folder with everything that `device` needs except inputs.

        Called once, at the end.

        Args:
            folder: the folder that the engine wrote to. It is copied to the bundle as `model`.

        Returns:
            One JSON value for each of `reading.ends()`: the outputs of the program and the tensors
            that float layers between quantizers read. It tells `device` where to find the codes
            of that output. `device` gets the list as `about["outputs"]`.
        """
