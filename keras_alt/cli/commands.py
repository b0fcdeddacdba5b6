"""The subcommands of `keras-alt`."""

import dataclasses
import functools
import json
import os
import shlex
import sys
import warnings
from collections.abc import Sequence

import keras

from keras_alt.cli.arguments import WRONG, parser
from keras_alt.cli.data import Choice, read_data
from keras_alt.cli.deploying import common_target, deploy, told_accuracies
from keras_alt.cli.exporting import write_formats
from keras_alt.cli.failures import drop_output, in_one_line, show_warning
from keras_alt.cli.inspection import inspect
from keras_alt.cli.models import SUFFIXES, read_float, read_quantized
from keras_alt.cli.quantizing import CALIBRATION, calibrated, class_loss, retrained, static
from keras_alt.cli.verifying import Verdict, prove
from keras_alt.cli.widths import allocated, read_overrides, read_sensitivity, told, write_json
from keras_alt.comparing import compare
from keras_alt.config import QuantizeConfig
from keras_alt.engines.folders import folder_written_whole
from keras_alt.files import written_whole
from keras_alt.quantizer import quantizers
from keras_alt.reporting import report
from keras_alt.width_search import sensitivity

DIFFERENT = 1  # exit status
INTERRUPTED = 130
UNREAD = 141  # as shells tell of a program that wrote to a pipe which nobody reads
STATUS = {Verdict.EQUAL: 0, Verdict.DIFFERENT: DIFFERENT, Verdict.INCOMPLETE: WRONG}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        arguments: of the command line; by default, those of the process.

    Returns:
        0 for success; 1 if codes differ; 2 for wrong input, with a line on stderr that says what to
        do; 130 if interrupted; 141 if what it writes is not read.
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(words)
    options.line = shlex.join(["keras-alt", *words])  # for files that tell what made them
    try:
        with warnings.catch_warnings():
            if not options.debug:
                warnings.showwarning = functools.partial(show_warning, options.command)
            status = COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        drop_output()
        return UNREAD
    except KeyboardInterrupt:
        sys.stderr.write(f"\nkeras-alt {options.command}: interrupted\n")
        return INTERRUPTED
    except Exception as error:
        if options.debug:
            raise
        sys.stderr.write(f"keras-alt {options.command}: {in_one_line(error)}\n")
        return WRONG


def _inspect(options):
    found = read_float(options.model)
    inspections = inspect(found.model, options.target, found.masks)
    if options.json:
        _say_json({inspection.target: inspection.data() for inspection in inspections})
    else:
        _say("\n\n".join(map(str, inspections)))
    return 0


def _quantize(options):
    if not options.output.endswith(SUFFIXES):
        raise ValueError(
            f"`--output` must be a file that ends in {', '.join(SUFFIXES)}. "
            f"Received: {options.output}"
        )
    config = _config(options)
    with written_whole(options.output) as path:
        _, quantized, _ = _quantized(options, config)
        quantized.save(path)
    _say(
        f"wrote {options.output}: {len(quantizers(quantized))} quantizers, target "
        f"'{config.target}'; prove it: keras-alt verify {options.output} --data {options.data}"
    )
    return 0


def _config(options, **chosen):
    given = {**_given(options, QuantizeConfig), **chosen}
    if "overrides" in given:
        given["overrides"] = read_overrides(given["overrides"])
    return QuantizeConfig(**given)


def _quantized(options, config):
    """Return the float model, the model that a recipe makes of it, and the data."""
    found = read_float(options.model)
    choice = _choice(options, None if options.recipe == "retrain" else CALIBRATION)
    data = read_data(options.data, found.model.inputs, choice, options.labels)
    if options.recipe == "calibrate":
        return found.model, calibrated(found, data, config, choice.samples), data
    if options.recipe == "static":
        outcome = static(found, data, config, choice.samples)
    else:
        outcome = retrained(found, data, config, options.epochs, options.seed)
    _say(outcome)
    return found.model, outcome.model, data


def _deploy(options):
    target = common_target(options.to, options.target)
    config = _config(options, target=target)
    with folder_written_whole(options.output) as folder:
        plain, quantized, data = _quantized(options, config)
        x = data.first(options.proof)
        written, proof = deploy(quantized, target, options.to, x, folder, options.line)
    _say("\n".join(f"wrote {os.path.join(options.output, name)}" for name in written))
    accuracies = told_accuracies(plain, quantized, data)
    if accuracies is not None:
        _say(accuracies)
    if proof is None:
        return 0
    _say(proof)
    return STATUS[proof.verdict]


def _report(options):
    model, data = read_quantized(options.model), None
    if options.data is not None:
        data = read_data(options.data, model.inputs, _choice(options)).x
    if options.sensitivity is not None and options.html is None:
        raise ValueError(
            "`--sensitivity` is for the page: name its file by `--html`. "
            f"Received: --sensitivity {options.sensitivity}"
        )
    narrower = None if options.sensitivity is None else read_sensitivity(options.sensitivity)
    told = report(model, data, options.samples)
    page = functools.partial(told.to_html, sensitivity=narrower, command=options.line)
    wanted = (
        (options.html, page),
        (options.markdown, told.to_markdown),
        (options.certificate, told.certificate),
    )
    files = [(path, write) for path, write in wanted if path is not None]
    for path, write in files:
        write(path)
    if options.json:
        _say_json(told.to_dict())
        return 0
    _say(told)
    for path, _ in files:
        _say(f"wrote {path}")
    return 0


def _export(options):
    model = read_quantized(options.model)
    data = None
    if options.data is not None:
        data = read_data(options.data, model.inputs, _choice(options)).x
    name = os.path.splitext(os.path.basename(options.model))[0]
    lines = write_formats(model, options.to, options.output, name, options.retarget, data)
    _say("\n".join(lines))
    return 0


def _verify(options):
    model = read_quantized(options.model)
    data = read_data(options.data, model.inputs, _choice(options))
    proof = prove(model, data.x, options.engines, options.bundle, verbose=not options.json)
    if options.json:
        _say_json(proof.data())
    else:
        _say(proof)
    return STATUS[proof.verdict]


def _compare(options):
    models = [
        read_quantized(path) if path.endswith(SUFFIXES) else path
        for path in (options.old, options.new)
    ]
    known = next((m for m in models if isinstance(m, keras.Model)), None)
    inputs, shape = (known.inputs, known.outputs[0].shape) if known else (None, None)
    data = read_data(options.data, inputs, _choice(options), _labels_file(options))
    labels = None if options.labels is None else data.labels(shape)
    result = compare(*models, data.x, labels, allowed_drop=options.allowed_drop)
    if options.junit is not None:
        result.to_junit(options.junit)
    if options.json:
        _say_json({**dataclasses.asdict(result), "passed": result.passed})
    else:
        _say(result)
    return 0 if result.passed else DIFFERENT


def _sensitivity(options):
    if options.output is None:
        found = _measured(options)
    else:
        with written_whole(options.output) as path:  # the folder is checked before the work
            found = _measured(options)
            write_json(found.to_dict(), path)
    if options.json:
        _say_json(found.to_dict())
        return 0
    _say(found)
    if options.output is not None:
        _say(f"wrote {options.output}; next: keras-alt allocate {options.output} --size 75%")
    return 0


def _measured(options):
    model = read_quantized(options.model)
    data = read_data(options.data, model.inputs, _choice(options), _labels_file(options))
    labels = loss = None
    if options.labels is not None:
        labels = data.labels(model.outputs[0].shape)
        loss = class_loss(model, data)
    return sensitivity(
        model,
        data.x,
        labels,
        loss,
        bits=options.bits,
        activations=options.activations,
        samples=options.samples,
        verbose=not options.json,
    )


def _allocate(options):
    found = read_sensitivity(options.sensitivity)
    overrides = allocated(found, options.size, options.bit_operations)
    if options.output is not None:
        with written_whole(options.output) as path:
            write_json(overrides, path)
    if options.json:
        _say_json(overrides)
        return 0
    _say(told(found, overrides))
    if options.output is not None:
        _say(
            f"wrote {options.output}; for keras-alt quantize --overrides {options.output}, "
            "with the --target of the measured model"
        )
    return 0


def _labels_file(options):
    return options.labels if isinstance(options.labels, str) else None


def _choice(options, samples=None):
    return Choice(options.samples or samples, options.seed, options.scale, options.offset)


def _given(options, kind):
    """Return the given options that are fields of a dataclass; others keep their defaults."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in vars(options).items() if name in names}


def _say(text):
    sys.stdout.write(f"{text}\n")


def _say_json(data):
    _say(json.dumps(data, indent=1))


COMMANDS = {
    "inspect": _inspect,
    "quantize": _quantize,
    "report": _report,
    "export": _export,
    "verify": _verify,
    "compare": _compare,
    "deploy": _deploy,
    "sensitivity": _sensitivity,
    "allocate": _allocate,
}
