"""The rows of a report as text, JSON and HTML."""

import html
import json
import math
import os
from dataclasses import asdict, dataclass, field, replace

from keras_alt.certificate.document import Unread, write_certificate
from keras_alt.files import written_whole
from keras_alt.integer import Accumulator, Reading
from keras_alt.text_tables import text_table


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
    """

    name: str
    format: str
    threshold: float | list[float]
    exponent: int | list[int] | None
    clipped: float | None
    sqnr_db: float | None
    frozen: bool


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
    """

    name: str
    type: str
    reason: str
    place: str
    exports: dict[str, str]


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
        reading: the integers that `certificate` is about, or why there are none.
    """

    quantizers: list[QuantizerRow]
    floats: list[FloatRow]
    weight_bytes: dict[str, int]
    multiply_accumulates: dict[str, int]
    accumulators: list[Accumulator]
    no_integers: str | None
    refusals: dict[str, list[str]]
    reading: Reading | Unread = field(repr=False)

    def __str__(self):
        sections = [text_table(*_quantizer_cells(self.quantizers))]
        if self.floats:
            sections.append(text_table(*_float_cells(self.floats)))
        return "\n\n".join([*sections, "\n".join(self._totals())])

    def _totals(self):
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
        return _finite(_rows(self))

    def to_json(self, path: str | os.PathLike):
        """Write the report as JSON."""
        with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(self.to_dict(), file, indent=2)

    def to_html(self, path: str | os.PathLike):
        """Write the report as one HTML page that needs no other files."""
        tables = [_html_table(*_quantizer_cells(self.quantizers))]
        if self.floats:
            tables.append(_html_table(*_float_cells(self.floats)))
        totals = "".join(f"<p>{html.escape(line)}</p>" for line in self._totals())
        head = f"<!doctype html><meta charset=utf-8><title>keras_alt report</title>{STYLE}"
        page = head + "".join(tables) + totals
        with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(page)

    def certificate(self, path: str | os.PathLike):
        """Write what is proven about the integers of the model, for all inputs.

        It has bounds of every sum, whether the numbers of the target's engines and float32 hold
        them, and on which facts the exactness of each layer rests. What is not proven is listed
        under `open`. `keras_alt.check_certificate` recomputes it.

        Args:
            path: file that ends in `.json`, or in `.html` for a page.
        """
        write_certificate(self.reading, path)


STYLE = (
    "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;margin-bottom:2em}"
    "td,th{padding:2px 12px;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}</style>"
)


def _rows(report):
    """Return the report as data, without the integers."""
    data = asdict(replace(report, reading=None))
    del data["reading"]
    return data


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


def _html_table(header, rows):
    cells = lambda tag, row: "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row)  # noqa: E731
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', header)}</tr>{body}</table>"


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
