"""From a quantized model to a folder of files that are proven."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from keras_alt.cli.data import Data
from keras_alt.cli.exporting import FORMATS, write_formats
from keras_alt.cli.quantizing import tells_classes
from keras_alt.cli.verifying import Proof, prove
from keras_alt.reporting import report

MODEL, REPORT = "quantized.keras", "report.html"
EXPORTED = "exported"  # folder of the formats
NAME = "model"  # of their files


def common_target(formats: Sequence[str], target: str | None = None) -> str:
    """Return the target whose rules all formats hold.

    Args:
        formats: names in `FORMATS`.
        target: wanted, or None for the first that fits.

    Raises:
        ValueError: no target fits, or not the wanted one.
    """
    fitting = [
        t for t in FORMATS[formats[0]].engines if all(t in FORMATS[f].engines for f in formats)
    ]
    if not fitting:
        raise ValueError(
            "Formats of one call must follow the rules of one target: call `keras-alt deploy` for "
            f"each. Received: --to {' '.join(formats)}; "
            + ", ".join(f"{f} follows {' or '.join(FORMATS[f].engines)}" for f in formats)
        )
    if target not in (None, *fitting):
        raise ValueError(
            f"`--target` must be one whose rules the formats hold: {' or '.join(fitting)}. "
            f"Received: --target {target} --to {' '.join(formats)}"
        )
    return target or fitting[0]


def deploy(
    model: keras.Model, target: str, formats: Sequence[str], x, folder: str, command: str
) -> tuple[list[str], Proof | None]:
    """Write a model, its report and its files, and prove each file on its engine.

    Args:
        model: quantized for `target` and calibrated.
        target: name.
        formats: names in `FORMATS`.
        x: inputs of the proof.
        folder: that exists.
        command: line that the report shows.

    Returns:
        What was written, relative to `folder`, and the proof; None if no format has an engine.
    """
    model.save(os.path.join(folder, MODEL))
    write_formats(model, formats, os.path.join(folder, EXPORTED), NAME)
    written = [MODEL, REPORT, *(FORMATS[name].path(EXPORTED, NAME) for name in formats)]
    engines = [FORMATS[name].engines[target] for name in formats]
    engines = [engine for engine in engines if engine is not None]
    proof = prove(model, x, engines) if engines else None
    matrix = None if proof is None else proof.matrix
    report(model, x).to_html(os.path.join(folder, REPORT), matrix=matrix, command=command)
    return written, proof


def told_accuracies(plain: keras.Model, quantized: keras.Model, data: Data) -> str | None:
    """Return a line on the accuracies before and after, None without labels of classes."""
    if data.y is None:
        return None
    labels = data.labels(plain.outputs[0].shape)
    if not tells_classes(plain, labels):
        return None
    before, after = (
        np.mean(model.predict(data.x, verbose=0).argmax(-1) == labels)
        for model in (plain, quantized)
    )
    return f"accuracy on these {len(labels)} samples: float {before:.2%}, integers {after:.2%}"
