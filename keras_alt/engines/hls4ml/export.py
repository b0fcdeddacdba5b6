"""Export to hls4ml: a project of C++ for Vitis HLS."""

import contextlib
import io
import os
import warnings
from dataclasses import dataclass

import keras

from keras_alt.engines.fitting import ExportError, fitting_program, require
from keras_alt.engines.folders import folder_written_whole
from keras_alt.engines.hls4ml.graph import ChannelsLastWriter
from keras_alt.engines.hls4ml.types import check, precisions
from keras_alt.integer import Program

CONFIG = "hls4ml_config.yml"


@dataclass(frozen=True)
class Project:
    """What is in a project.

    Attributes:
        positions: of the tensors that it gives, in ascending order.
        names: name of the tensor at each position of the program; several may share one.
        outputs: names of what it gives, each once, in the order of its arguments.
    """

    positions: list[int]
    names: dict[int, str]
    outputs: list[str]


def to_hls4ml(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as an hls4ml project, Vitis backend, `io_parallel`.

    Every tensor has an `ap_fixed<W, I>` type that follows from the trained exponents; sums have
    the width that holds the worst case, so that nothing but the trained quantizers rounds. All
    loops over weights are unrolled (reuse factor 1), which suits small networks.

    The firmware reaches from the first to the last quantizers: float layers in front (Rescaling)
    and behind (softmax) stay with the host. It takes inputs in the type of the first quantizer and
    gives outputs, those computed first in front, in the type of the last. The folder also has the
    QONNX file `model.onnx` that it was made from. `hls4ml.utils.link.FilesystemModelGraph(path)`
    opens it to compile, simulate and synthesize.

    Args:
        model: quantized with target "hls" or "paper", calibrated.
        path: of the folder to write; there must be none, or an empty one.

    Returns:
        The path.

    Raises:
        ExportError: hls4ml has no form of a layer, which the message names, or chose other types
            than the trained ones.
    """
    require("hls4ml", "hls")
    require("qonnx", "hls")
    program = fitting_program(model, "hls4ml").program
    write_project(program, sorted(program.outputs), path)
    return os.fspath(path)


def write_project(program: Program, outputs: list[int], path: str | os.PathLike) -> Project:
    """Write a project that gives the tensors at some positions.

    Args:
        program: of the model.
        outputs: positions, in ascending order.
        path: of the folder to write.

    Returns:
        What the project gives, and under which names.
    """
    import onnx
    import yaml

    writer = ChannelsLastWriter(program, outputs)
    proto = writer.model()
    with folder_written_whole(path) as temporary:
        with contained(f"hls4ml cannot convert '{program.name}'"):
            project = converted(writer, proto, temporary)
        check(project, writer)
        with contained(f"hls4ml cannot write '{program.name}'"):
            project.config.config["OnnxModel"] = "model.onnx"
            project.write()
        onnx.save(proto, os.path.join(temporary, "model.onnx"))
        # hls4ml's own file names the temporary folder and sorts the outputs.
        project.config.config["OutputDir"] = os.path.abspath(path)
        with open(os.path.join(temporary, CONFIG), "w") as file:
            yaml.dump(project.config.config, file, sort_keys=False)
    return Project(outputs, writer.values, writer.names)


@contextlib.contextmanager
def contained(what: str):
    """Keep hls4ml's prints and warnings away, and turn its exceptions into `ExportError`."""
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            tail = printed.getvalue()[-500:].strip()
            raise ExportError(
                f"{what}: export with `to_qonnx` or `to_integers` instead. "
                f"Received: {error or type(error).__name__}, after printing {tail!r}"
            ) from error


def converted(writer, proto, folder):
    """Return hls4ml's `ModelGraph`, with the type of every tensor laid down."""
    from hls4ml.converters import convert_from_onnx_model
    from qonnx.core.modelwrapper import ModelWrapper

    return convert_from_onnx_model(
        ModelWrapper(proto),
        output_dir=folder,
        backend="Vitis",
        io_type="io_parallel",
        hls_config={
            "Model": {
                "Precision": {"default": "fixed<32,16>"},
                "ReuseFactor": 1,
                "Strategy": "Latency",
            },
            "LayerName": precisions(writer),
        },
    )
