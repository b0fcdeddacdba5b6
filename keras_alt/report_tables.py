"""The rows of a report, as text, JSON and pages."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING

from keras_alt.certificate.document import Unread, write_certificate
from keras_alt.files import written_whole
from keras_alt.integer import Accumulator, Reading
from keras_alt.pages.report_card import report_card
from keras_alt.pages.report_page import report_page
from keras_alt.text_tables import text_table

if TYPE_CHECKING:
    from keras_alt.fits import Fit
    from keras_alt.wiring import Wiring


@dataclass(frozen=True)
class QuantizerRow:
    """One quantizer.

    Attributes:
        name: `<layer>/<role>`.
        format: text such as `int8` or `uint8`.
        threshold: clipping threshold, in the units of the tensor; NaN before calibration. A list if
            each channel of a kernel has its own.
        exponent: log2 of the scale; None before calibration. A list in the same case.
        clipped: share of the values outside the range of the codes, from 0 to 1; None if not
            measured.
        sqnr_db: signal-to-quantization-noise ratio in dB; None if not measured.
        frozen: whether the threshold is frozen.
        shift: mean of code minus value, in steps of the grid; None if not measured.
        drift_db: SQNR against the output of the float model, so with the errors of all layers in
            front; None if not measured.
    """

    name: str
    format: str
    threshold: float | list[float]
    exponent: int | list[int] | None
    clipped: float | None
    sqnr_db: float | None
    frozen: bool
    shift: float | None = None
    drift_db: float | None = None


INTEGER = "integer"  # place of a layer that computes codes


@dataclass(frozen=True)
class LayerRow:
    """One layer or operator.

    Attributes:
        name, type: of the layer.
        place: `INTEGER`, or as in `FloatRow`.
        shape: of the output of its first call, without the batch.
        formats: `{role: format}` of what it quantizes, such as `{"kernel": "int8"}`.
        weights: number of weights, without those that only training needs.
        weight_bits: how many bits they take.
        multiply_accumulates: of all its calls, for one sample; 0 if a size is not known.
    """

    name: str
    type: str
    place: str
    shape: list[int | None]
    formats: dict[str, str]
    weights: int
    weight_bits: int
    multiply_accumulates: int


# What an exporter makes of a float layer.
FLOAT = "float"  # the file computes it in float
OUTSIDE = "outside"  # the file leaves it out: the program around computes it
REFUSED = "refused"  # the exporter refuses the model


@dataclass(frozen=True)
class FloatRow:
    """One layer or operator that stays float.

    Attributes:
        name, type: of the layer.
        reason: why it stays float.
        place: "in front of", "between" or "behind" the quantizers.
        exports: `{exporter: "float", "outside" or "refused"}` for each exporter of the model's
            target. "float" is written in float; "outside" is left to the program around the file.
            Only TensorFlow's converter knows for sure what `to_litert` can write.
        way_out: what to do about it; empty if nothing is needed.
    """

    name: str
    type: str
    reason: str
    place: str
    exports: dict[str, str]
    way_out: str = ""


@dataclass(frozen=True)
class About:
    """What a report is about.

    Attributes:
        model: name.
        target: name of the engine rules, or None if nothing tells it.
        settings: the `QuantizeConfig` as a dictionary; empty for a model written by hand.
        measured: number of samples that activations were measured on, or None.
        versions: of what made the report, by name.
    """

    model: str
    target: str | None
    settings: dict
    measured: int | None
    versions: dict[str, str]


@dataclass(frozen=True)
class Report:
    """The result of `keras_alt.report`. `str()` returns it as a table.

    Attributes:
        quantizers: a `QuantizerRow` for each quantizer.
        floats: a `FloatRow` for each float layer.
        weight_bytes: `{"float": before, "quantized": after}`, bytes of kernels and biases. The
            quantized ones are counted in packed bits.
        multiply_accumulates: `{"<kernel bits>x<input bits>": count}` for one sample.
        accumulators: a `keras_alt.integer.Accumulator` for each kernel layer, with its largest
            possible sum.
        no_integers: the reason if there are no accumulators, else None.
        refusals: `{exporter: reasons}`, why an exporter refuses integer layers, a reason for each.
            It is known for `to_hls4ml`, once the model is calibrated.
        layers: a `LayerRow` for each layer and operator, in order.
        about: model, target, settings and versions.
        wiring: the network as boxes and wires, for the picture of `to_html`.
        fits: `{quantizer name: Fit}`, the histograms of the values that quantizers saw.
        reading: the integers that `certificate` is about, or why there are none.
    """

    quantizers: list[QuantizerRow]
    floats: list[FloatRow]
    weight_bytes: dict[str, int]
    multiply_accumulates: dict[str, int]
    accumulators: list[Accumulator]
    no_integers: str | None
    refusals: dict[str, list[str]]
    layers: list[LayerRow]
    about: About
    wiring: Wiring = field(repr=False)
    fits: dict[str, Fit] = field(repr=False)
    reading: Reading | Unread = field(repr=False)

    def __str__(self):
        sections = [text_table(*_quantizer_cells(self.quantizers))]
        if self.floats:
            sections.append(text_table(*_float_cells(self.floats)))
        return "\n\n".join([*sections, "\n".join(self.totals())])

    def totals(self) -> Iterator[str]:
        """Yield the totals as lines, and what exporters refuse."""
        before, after = self.weight_bytes["float"], self.weight_bytes["quantized"]
        ratio = before / max(after, 1)
        yield f"weights: {before:,} bytes float32, {after:,} bytes quantized ({ratio:.1f} x)"
        for widths, count in self.multiply_accumulates.items():
            yield f"multiply-accumulates {widths}: {count:,}"
        for exporter in self.floats[0].exports if self.floats else ():
            refused = [row.name for row in self.floats if row.exports[exporter] == REFUSED]
            if refused:
                yield (
                    f"{exporter} refuses {', '.join(refused)}: take them off the model, or retarget"
                    " the model for an exporter that writes them"
                )
        for exporter, reasons in self.refusals.items():
            yield from (f"{exporter} refuses the model: {reason}" for reason in reasons)
        if self.no_integers:
            yield f"no integer form: {self.no_integers}"
        elif self.accumulators:
            widest = max(self.accumulators, key=lambda row: row.worst)
            yield f"accumulators: {widest.bits} bits hold every sum, the widest in {widest.layer}"
            for limit, fits in (("2^24", "exact_in_float32"), ("2^31", "fits_int32")):
                beyond = [row.layer for row in self.accumulators if not getattr(row, fits)]
                yield f"sums that may exceed {limit}: {', '.join(beyond) or 'none'}"

    def to_dict(self) -> dict:
        """Return the report as data for JSON. A number that is not finite is None."""
        rows = {part.name: getattr(self, part.name) for part in fields(self) if part.repr}
        return _finite(_plain(rows))

    def to_json(self, path: str | os.PathLike):
        """Write the report as JSON."""
        _write(path, json.dumps(self.to_dict(), indent=2))

    def to_html(
        self,
        path: str | os.PathLike,
        *,
        history=None,
        matrix=None,
        sensitivity=None,
        command: str | None = None,
    ):
        """Write the report as one HTML page that needs no other files and no network.

        Args:
            path: file to write.
            history: the `keras_alt.callbacks.ThresholdHistory` of a training. The page shows how
                the thresholds moved, and where they began beside where they are.
            matrix: result of `keras_alt.verify(model, x, engines=...)`.
            sensitivity: result of `keras_alt.sensitivity`, or its rows: dictionaries with the keys
                "layer", "bits" and "role", and "loss" or "sqnr_db".
            command: the command line that makes the page, to be shown on it.
        """
        _write(path, report_page(self, history, matrix, sensitivity, command))

    def to_markdown(self, path: str | os.PathLike, *, matrix=None):
        """Write the report as the model card of a hub, in Markdown with YAML in front.

        Args:
            path: file to write, such as `README.md`.
            matrix: result of `keras_alt.verify(model, x, engines=...)`.
        """
        _write(path, report_card(self, matrix))

    def certificate(self, path: str | os.PathLike):
        """Write what is proven about the integers of the model, for all inputs.

        It has bounds of every sum, whether the numbers of the target's engines and float32 hold
        them, and on which facts the exactness of each layer rests. What is not proven is listed
        under `open`. `keras_alt.check_certificate` recomputes it.

        Args:
            path: file that ends in `.json`, or in `.html` for a page.
        """
        write_certificate(self.reading, path)


def _write(path, text):
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def _quantizer_cells(rows):
    header = ("quantizer", "format", "threshold", "scale", "clipped", "SQNR dB", "frozen")
    return header, [
        (
            row.name,
            row.format,
            _range(row.threshold, "{:.5g}"),
            "" if row.exponent is None else _range(row.exponent, "2^{}"),
            "" if row.clipped is None else f"{row.clipped:.3%}",
            "" if row.sqnr_db is None else f"{row.sqnr_db:.1f}",
            "yes" if row.frozen else "",
        )
        for row in rows
    ]


def _range(value, text):
    """Return a number as text, or the least and the largest of a list."""
    if not isinstance(value, list):
        return text.format(value)
    ends = dict.fromkeys((min(value), max(value)))
    return " .. ".join(map(text.format, ends))


def _float_cells(rows):
    exporters = list(rows[0].exports)
    header = ("stays float", "type", "reason", *exporters)
    return header, [(r.name, r.type, r.reason, *map(r.exports.get, exporters)) for r in rows]


def _plain(value):
    """Return rows as dictionaries."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) else value


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
