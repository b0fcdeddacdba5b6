"""A certificate as data: what is claimed, for which weights, and what it rests on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from keras_alt.certificate import checker
from keras_alt.certificate.facts import Fact, facts_of_step, facts_of_sums
from keras_alt.certificate.page import page
from keras_alt.certificate.sums import sums
from keras_alt.engines.integer.export import Description, as_text
from keras_alt.files import target_of, written_whole
from keras_alt.integer import Reading, intervals
from keras_alt.integer.interval_arithmetic import is_own
from keras_alt.version import __version__

CLAIM = (
    "For all inputs, every sum lies within the bounds given here, and so do its partial sums, of "
    "any terms in any order. The bounds follow from the weights and the formats by interval "
    "arithmetic, not from samples."
)
PREMISE = (
    "Kernels are computed as sums of products, not by FFT, Winograd or TF32. An engine that adds "
    "offsets of stored codes computes modulo 2^32, where the sum itself must fit. The certificate "
    "is about the operations of docs/integers.md; `keras_alt.verify` compares engines with them."
)


@dataclass(frozen=True)
class Unread:
    """A model without integers.

    Attributes:
        name: of the model.
        reason: why it has none.
    """

    name: str
    reason: str


def write_certificate(subject: Reading | Unread, path: str | os.PathLike):
    """Write a certificate as JSON or as a page.

    Args:
        subject: `Reading` of a model.
        path: file that ends in `.json` or `.html`.

    Raises:
        ValueError: it ends otherwise.
    """
    target_of(path)  # raises an error if it is no path
    ending = os.path.splitext(os.fspath(path))[1]
    if ending not in WRITERS:
        raise ValueError(
            f"A certificate is JSON or a page: end its path in {' or '.join(WRITERS)}. "
            f"Received: path={os.fspath(path)!r}"
        )
    text = WRITERS[ending](certificate(subject))
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def certificate(subject: Reading | Unread) -> dict:
    """Return the certificate of a model. What is not proven is listed under `open`."""
    about = {"format": checker.FORMAT, "version": checker.VERSION, "keras_alt": __version__}
    if isinstance(subject, Unread):
        reasons = [{"layer": None, "reason": subject.reason}]
        return {**about, "model": subject.name, "proven": False, "open": reasons, "layers": []}
    program, description = subject.program, Description(subject)
    bounds = intervals(program)
    layers = _layers(program, subject.target, bounds)
    reasons = _open(layers)
    described = description.program()
    return {
        **about,
        "model": program.name,
        "target": subject.target,
        "claim": CLAIM,
        "premise": PREMISE,
        "proven": not reasons,
        "open": reasons,
        "floats": {
            "front": subject.entry_layers,
            "between": subject.island_layers,
            "behind": subject.exit_layers,
        },
        "program": checker.program_hash(json.loads(as_text(described))),
        "constants": {
            name: checker.codes_hash(codes) for name, codes in description.packed().items()
        },
        "assumed": _assumed(program, bounds),
        "inputs": [_input(program.tensors[p]) for p in program.inputs],
        "layers": layers,
    }


def _input(tensor) -> dict:
    return {
        "tensor": tensor.name,
        "exponent": tensor.exponent,
        "low": tensor.low,
        "high": tensor.high,
    }


def _layers(program, target, bounds):
    """Return the layers in the order of computation, with their sums and facts."""
    found = {}
    for step in program.steps:
        found.setdefault(step.layer, {"layer": step.layer, "sums": [], "rests_on": {}})
    for row in sums(program, target, bounds):
        found[row.layer]["sums"].append(row)
    for layer in found.values():
        layer["rests_on"].update(dict.fromkeys(facts_of_sums(layer["sums"])))
    for step in program.steps:
        facts: list[Fact] = facts_of_step(program, step, bounds)
        found[step.layer]["rests_on"].update(dict.fromkeys(facts))
    return [
        {**layer, **{key: [asdict(row) for row in layer[key]] for key in ("sums", "rests_on")}}
        for layer in found.values()
    ]


def _open(layers):
    """Return what is not proven, with the layer."""
    return [
        {"layer": layer["layer"], "reason": fact["text"]}
        for layer in layers
        for fact in layer["rests_on"]
        if not fact["holds"]
    ]


def _assumed(program, bounds):
    """Return the bounds of what operations from other packages compute, by position."""
    foreign = [step for step in program.steps if not is_own(step)]
    return {str(step.output): list(bounds[step.output].ends()) for step in foreign}


WRITERS = {".json": as_text, ".html": page}
