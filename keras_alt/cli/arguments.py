"""The grammar of the command line of `keras-alt`."""

import argparse

from keras_alt.cli.argument_types import budget, finite, format, natural, positive, share, width
from keras_alt.cli.exporting import FORMATS
from keras_alt.engines import ENGINES
from keras_alt.targets import TARGETS
from keras_alt.version import __version__

WRONG = 2  # exit status
EPILOG = """\
exit status: 0 if all is well; {one}2 for wrong use or an error, told in a line;
130 if interrupted

example: """
MODEL = (
    ".keras or .h5 file of Keras 3 or tf_keras, or a SavedModel that tf_keras wrote; "
    "only what Keras can load with its layers"
)
DATA = (
    ".npz file (arrays x or x_train, or one for each input by its name; labels y or y_train), .npy "
    "file, folder of images (one folder for each class; values 0..255, resized to the input), "
    ".tfrecord file (image/encoded or image, or an array for each input by its name; labels "
    "image/class/label, label or y), or module:function, which returns x or (x, y)"
)
TRIED = ("litert", "tflm", "onnx", "hls")  # they have all exporters
TO = (
    "formats: litert is a .tflite file, onnx and qonnx are .onnx files, hls4ml is a project for "
    "FPGAs, c is C99, integers are arrays of codes, saved_model is for TensorFlow"
)
TARGET = "by the rules of which engine the model rounds"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message):
        self.exit(WRONG, f"{self.prog}: {message}; `{self.prog} --help` shows an example\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of `keras-alt`; its `command` names the subcommand."""
    root = _Parser(
        prog="keras-alt",
        description="Quantize a Keras model to integers, export it and prove the file.",
        epilog="example: keras-alt deploy model.keras --data data.npz --to litert c "
        "--output deployed",
    )
    root.add_argument("--version", action="version", version=f"keras-alt {__version__}")
    commands = root.add_subparsers(dest="command", required=True)
    _add_inspect(commands)
    _add_quantize(commands)
    _add_report(commands)
    _add_export(commands)
    _add_verify(commands)
    _add_compare(commands)
    _add_deploy(commands)
    _add_sensitivity(commands)
    _add_allocate(commands)
    return root


def _add_inspect(commands):
    parser = _command(commands, "inspect", "tell what would be quantized, what not, and why")
    parser.epilog += "keras-alt inspect model.keras --target litert onnx"
    parser.add_argument("model", help=f"float model: {MODEL}")
    parser.add_argument(
        "--target",
        nargs="+",
        choices=tuple(TARGETS),
        default=TRIED,
        help=f"{TARGET}; default: {' '.join(TRIED)}",
    )
    _add_json(parser)


def _add_quantize(commands):
    parser = _command(commands, "quantize", "quantize a float model and calibrate it")
    parser.epilog += (
        "keras-alt quantize model.keras --data data.npz --output q.keras --target litert"
    )
    parser.add_argument("model", help=f"float model: {MODEL}")
    parser.add_argument("--output", required=True, help="quantized model, a .keras or .h5 file")
    _add_quantizing(parser, "calibrate")
    parser.add_argument("--target", choices=tuple(TARGETS), **_unset("paper", TARGET))


def _add_quantizing(parser, recipe):
    """Add the arguments of quantization; `recipe` is the default."""
    _add_data(parser, "default: 256, and all for retrain")
    parser.add_argument("--weights", type=width, **_unset("8", "bits of kernels"))
    parser.add_argument("--activations", type=width, **_unset("8", "bits of activations"))
    parser.add_argument("--inputs", type=format, **_unset("8", "bits, uint8, or auto"))
    parser.add_argument("--skip", nargs="+", **_unset("none", "globs of layers that stay float"))
    parser.add_argument(
        "--overrides",
        **_unset(
            "none",
            ".json file of widths of layers, which `keras-alt allocate` writes; kernels get the "
            "thresholds of least squared error",
        ),
    )
    parser.add_argument(
        "--recipe",
        choices=("calibrate", "static", "retrain"),
        default=recipe,
        help="calibrate: thresholds only; static: as accurate as is known without training; "
        "retrain: train on with labels, a tenth of the samples chooses the best epoch; "
        f"default: {recipe}",
    )
    _add_labels(parser, help="file of labels for retrain, .npy or .npz; default: of the data")
    parser.add_argument("--epochs", type=positive, default=3, help="of retrain; default: 3")


def _add_report(commands):
    parser = _command(commands, "report", "tell thresholds, widths and what stays float")
    parser.epilog += (
        "keras-alt report q.keras --data data.npz --html report.html --certificate proof.html"
    )
    _add_quantized(parser)
    _add_data(
        parser,
        "default: 256",
        required=False,
        samples=256,
        used="for errors and histograms of activations; ",
    )
    parser.add_argument("--html", help="file for the report as a page that needs no network")
    parser.add_argument(
        "--sensitivity", help="for the page: .json file that `keras-alt sensitivity` wrote"
    )
    parser.add_argument("--markdown", help="file for the report as the model card of a hub")
    parser.add_argument(
        "--certificate", help=".json or .html file for what is proven about all inputs"
    )
    _add_json(parser)


def _add_export(commands):
    parser = _command(commands, "export", "write files of engines")
    parser.epilog += "keras-alt export q.keras --to litert c --output exported"
    _add_quantized(parser)
    parser.add_argument("--to", nargs="+", choices=tuple(FORMATS), required=True, help=TO)
    parser.add_argument("--output", required=True, help="folder, new or empty; all or nothing")
    parser.add_argument(
        "--retarget",
        action="store_true",
        help="give formats of another target the model under the rules of that one",
    )
    _add_data(parser, "default: all", required=False, used="for thresholds that --retarget adds; ")


def _add_verify(commands):
    parser = _command(
        commands,
        "verify",
        "count the codes in which engines differ from Keras",
        "1 if codes differ; ",
    )
    parser.epilog += "keras-alt verify q.keras --data data.npz --engines integer c"
    _add_quantized(parser)
    _add_data(parser, "default: 1000", samples=1000)
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=("all", *ENGINES),
        help="default: those that follow the target of the model. `all` tells of others too, which "
        "may round otherwise",
    )
    parser.add_argument(
        "--bundle", help="new folder that repeats the proof without Keras; for one engine"
    )
    _add_json(parser)


def _add_compare(commands):
    parser = _command(
        commands,
        "compare",
        "compare what two models or files compute",
        "1 if codes differ, or if the accuracy falls too far; ",
    )
    parser.epilog += "keras-alt compare q.keras exported/q.tflite --data data.npz --junit codes.xml"
    for name in ("old", "new"):
        parser.add_argument(name, help="quantized model, .tflite or .onnx file")
    _add_data(parser, "default: all")
    _add_labels(
        parser,
        nargs="?",
        const=True,
        help="compare accuracies too, by this .npy or .npz file or by the labels of the data",
    )
    parser.add_argument(
        "--allowed-drop",
        type=share,
        help="of the accuracy, 0.01 for one point; codes may differ then",
    )
    parser.add_argument("--junit", help="file for the result as JUnit XML")
    _add_json(parser)


def _add_deploy(commands):
    parser = _command(
        commands,
        "deploy",
        "quantize, report, export and verify in one call",
        "1 if codes differ; ",
    )
    parser.epilog += "keras-alt deploy model.keras --data data.npz --to litert c --output deployed"
    parser.add_argument("model", help=f"float model: {MODEL}")
    parser.add_argument("--to", nargs="+", choices=tuple(FORMATS), required=True, help=TO)
    parser.add_argument("--output", required=True, help="folder, new or empty; all or nothing")
    _add_quantizing(parser, "static")
    parser.add_argument(
        "--target", choices=tuple(TARGETS), help=f"{TARGET}; default: what the formats follow"
    )
    parser.add_argument(
        "--proof", type=positive, default=100, help="samples of the proof; default: 100"
    )


def _add_sensitivity(commands):
    parser = _command(
        commands, "sensitivity", "measure what outputs lose if one layer has fewer bits"
    )
    parser.epilog += "keras-alt sensitivity q.keras --data data.npz --output sensitivity.json"
    _add_quantized(parser)
    _add_data(parser, "default: 64", samples=64)
    _add_labels(
        parser,
        nargs="?",
        const=True,
        help="measure the loss too, by this .npy or .npz file or by the labels of the data",
    )
    parser.add_argument(
        "--bits", nargs="+", type=width, default=(4, 6, 8), help="widths; default: 4 6 8"
    )
    parser.add_argument(
        "--activations", action="store_true", help="narrow the quantizers of activations too"
    )
    parser.add_argument("--output", help=".json file for `keras-alt allocate`")
    _add_json(parser)


def _add_allocate(commands):
    parser = _command(commands, "allocate", "choose widths that meet a budget with the least loss")
    parser.epilog += "keras-alt allocate sensitivity.json --size 80% --output overrides.json"
    parser.add_argument("sensitivity", help=".json file that `keras-alt sensitivity` wrote")
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument(
        "--size", type=budget, help="bytes of kernels and biases, or a percentage such as 60%%"
    )
    one.add_argument(
        "--bit-operations",
        type=budget,
        help="multiply-accumulates times the bits of both factors, or a percentage",
    )
    parser.add_argument(
        "--output", help=".json file of overrides, for `keras-alt quantize --overrides`"
    )
    _add_json(parser)


def _command(commands, name, does, one=""):
    parser = commands.add_parser(
        name,
        help=does,
        description=does.capitalize(),
        epilog=EPILOG.format(one=one),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    return parser


def _add_quantized(parser):
    parser.add_argument("model", help="quantized model, a file that `keras-alt quantize` wrote")


def _add_json(parser):
    parser.add_argument("--json", action="store_true", help="write JSON instead of tables")


def _add_labels(parser, **options):
    parser.add_argument("--labels", **options)


def _add_data(parser, amount, required=True, samples=None, used=""):
    parser.add_argument("--data", required=required, help=used + DATA)
    parser.add_argument(
        "--samples", type=positive, default=samples, help=f"how many, drawn at random; {amount}"
    )
    parser.add_argument("--seed", type=natural, default=0, help="of the draw; default: 0")
    parser.add_argument("--scale", type=finite, help="values become x * SCALE + OFFSET")
    parser.add_argument("--offset", type=finite)


def _unset(default, meaning=""):
    """Return options of an argument that is left to `QuantizeConfig` unless it is given."""
    return {"default": argparse.SUPPRESS, "help": f"{meaning}; default: {default}".lstrip("; ")}
