"""The formats that the command exports to."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from keras_alt import export
from keras_alt.engines.folders import folder_written_whole
from keras_alt.record import record_of
from keras_alt.retargeting import retarget
from keras_alt.targets import TARGETS


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        write: exporter.
        ending: what is added to the name of the model, or the name of a folder.
        engines: for each target whose rules the format holds, the engine that runs the file, or
            None. A model of another target gets the first.
    """

    write: Callable
    ending: str
    engines: dict[str, str | None]

    def path(self, folder: str, name: str) -> str:
        return os.path.join(folder, name + self.ending if "." in self.ending else self.ending)


FORMATS = {
    "litert": Format(export.to_litert, ".tflite", {"litert": "litert", "tflm": "tflm"}),
    "onnx": Format(export.to_onnx, ".onnx", {"onnx": "onnxruntime"}),
    "qonnx": Format(export.to_qonnx, ".qonnx.onnx", {"hls": "qonnx", "paper": "qonnx"}),
    "hls4ml": Format(export.to_hls4ml, "hls4ml", {"hls": "hls4ml", "paper": "hls4ml"}),
    "c": Format(export.to_c, "c", dict.fromkeys(TARGETS, "c")),
    "integers": Format(export.to_integers, "integers", dict.fromkeys(TARGETS, "integer")),
    "saved_model": Format(export.to_saved_model, "saved_model", dict.fromkeys(TARGETS)),
}


def write_formats(
    model: keras.Model,
    formats: Sequence[str],
    folder: str,
    name: str,
    may_retarget: bool = False,
    calibration_data=None,
) -> list[str]:
    """Write a folder with all formats, or nothing.

    Args:
        model: quantized and calibrated.
        formats: names in `FORMATS`.
        folder: new or empty.
        name: of the files.
        may_retarget: whether a format of another target gets the model under the rules of that one.
        calibration_data: for the thresholds that the model lacks then, or None.

    Returns:
        A line about each.

    Raises:
        ValueError: a format refuses the model. The message names the format.
        FileExistsError: `folder` is not new or empty.
    """
    lines = []
    with folder_written_whole(folder) as temporary:
        for key in dict.fromkeys(formats):
            wanted = FORMATS[key]
            try:
                fitting, note = _fitting(model, wanted, may_retarget, calibration_data)
                wanted.write(fitting, wanted.path(temporary, name))
            except (NotImplementedError, RuntimeError, ValueError) as error:
                raise ValueError(f"{key}: {error}") from error
            lines.append(f"wrote {wanted.path(folder, name)}{note}")
    return lines


def _fitting(model, wanted, may_retarget, data):
    """Return a model under rules that a format holds, and what to say about it."""
    record = record_of(model)
    if record is None or record.config.target in wanted.engines:
        return model, ""
    own, other = record.config.target, next(iter(wanted.engines))
    if not may_retarget:
        raise ValueError(
            f"The format holds the rules of target {' or '.join(map(repr, wanted.engines))}: "
            f"quantize for it, or allow `--retarget`. Received: a model of target {own!r}"
        )
    return retarget(model, other, data), f", retargeted from {own!r} to {other!r}"
