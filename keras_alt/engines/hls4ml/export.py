"""Exports to hls4ml, as a C++ project for Vitis HLS."""

import contextlib
import io
import os
import warnings
from dataclasses import dataclass

import keras

from keras_alt.engines.fitting import ExportError, fitting_program, require
from keras_alt.engines.folders import final_path, folder_written_whole
from keras_alt.engines.hls4ml.graph import ChannelsLastWriter
from keras_alt.engines.hls4ml.layers import read_layers
from keras_alt.engines.hls4ml.types import check, precisions, spread
from keras_alt.integer import Program

CONFIG = "hls4ml_config.yml"


@dataclass(frozen=True)
class Project:
    """The outputs of a project.

    Attributes:
        positions: positions of the tensors that the project outputs, in ascending order.
        names: name of the tensor at each position of the program; several positions may share one.
        outputs: unique names of the outputs, in the order of the project's arguments.
    """

    positions: list[int]
    names: dict[int, str]
    outputs: list[str]


def to_hls4ml(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as an hls4ml project, Vitis backend, `io_parallel`.

    Every tensor has an `ap_fixed<W, I>` type that follows from the trained exponents. Sums are wide
    enough for the worst case, so only the trained quantizers round. All loops over weights are
    unrolled (reuse factor 1). This suits small networks.

    The firmware covers the model from the first to the last quantizers. Float layers in front, such
    as Rescaling, and behind, such as softmax, run on the host. Inputs have the type of the first
    quantizer, and outputs have the type of the last. Outputs are in the order of computation. The
    folder also holds `model.onnx`, the QONNX file that the project is made from. Tables and other
    layers that hls4ml does not read from QONNX are nodes of the domain "keras_alt.hls4ml" there.
    `hls4ml.utils.link.FilesystemModelGraph(path)` opens the folder to compile, simulate and
    synthesize.

    Args:
        model: calibrated model, quantized with target "hls" or "paper".
        path: the folder to write, which must be new or empty.

    Returns:
        The path.

    Raises:
        ExportError: hls4ml has no form of a layer, or it chose other types than the trained ones.
            The message names the layer.
    """
    require("hls4ml", "hls")
    require("qonnx", "hls")
    program = fitting_program(model, "hls4ml").program
    write_project(program, sorted(program.outputs), path)
    return os.fspath(path)


def write_project(program: Program, outputs: list[int], path: str | os.PathLike) -> Project:
    """Write a project that outputs the tensors at some positions.

    Args:
        program: integer program of the model.
        outputs: positions of the outputs, in ascending order.
        path: the folder to write.

    Returns:
        The positions and names of the project's outputs.
    """
    import onnx
    import yaml

    writer = ChannelsLastWriter(program, outputs)
    proto = writer.model()
    with folder_written_whole(path) as temporary:
        with contained(f"hls4ml cannot convert '{program.name}'"):
            project = converted(writer, proto, temporary)
            spread(project, writer)
        check(project, writer)
        with contained(f"hls4ml cannot write '{program.name}'"):
            project.config.config["OnnxModel"] = "model.onnx"
            project.write()
        onnx.save(proto, os.path.join(temporary, "model.onnx"))
        # hls4ml's own file names the temporary folder and sorts the outputs.
        project.config.config["OutputDir"] = final_path(path)
        with open(os.path.join(temporary, CONFIG), "w") as file:
            yaml.dump(project.config.config, file, sort_keys=False)
    return Project(outputs, writer.values, writer.names)


@contextlib.contextmanager
def contained(what: str):
    """Hide what hls4ml prints and warns, and turn its exceptions into `ExportError`."""
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
    """Return hls4ml's `ModelGraph` with the type of every tensor set."""
    from hls4ml.converters import convert_from_onnx_model
    from qonnx.core.modelwrapper import ModelWrapper

    read_layers()
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
