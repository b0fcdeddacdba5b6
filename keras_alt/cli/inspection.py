"""What quantization would make of a float model, for the exporters of each target."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from keras_alt.config import QuantizeConfig
from keras_alt.quantize import quantize_model
from keras_alt.quantizer import quantizers
from keras_alt.report_tables import FLOAT, OUTSIDE, REFUSED, Report
from keras_alt.reporting import report
from keras_alt.text_tables import text_table

MEANING = {
    FLOAT: "the file computes it in float",
    OUTSIDE: "the file leaves it out; the program around the file computes it",
    REFUSED: "the exporter refuses the model",
}


@dataclass(frozen=True)
class Inspection:
    """What is known of a model before any data is seen.

    Attributes:
        target: name of the target.
        report: of the model, quantized for it. Its thresholds mean nothing.
    """

    target: str
    report: Report

    def data(self) -> dict:
        """Return all of it as data for JSON."""
        told = self.report.to_dict()
        rows = [{key: row[key] for key in ("name", "format")} for row in told["quantizers"]]
        kept = ("floats", "weight_bytes", "multiply_accumulates", "refusals")
        return {"quantizers": rows, **{key: told[key] for key in kept}}

    def __str__(self):
        report = self.report
        size = report.weight_bytes
        lines = [
            f"target '{self.target}': {len(self.formats())} layers get quantizers, "
            f"{len(report.floats)} stay float; weights {size['float']:,} -> "
            f"{size['quantized']:,} bytes"
        ]
        lines += [f"  {layer}: {formats}" for layer, formats in self.formats().items()]
        if report.floats:
            exporters = list(report.floats[0].exports)
            rows = [(r.name, r.reason, *map(r.exports.get, exporters)) for r in report.floats]
            lines.append(text_table(("stays float", "reason", *exporters), rows))
            made = {kind for r in report.floats for kind in r.exports.values()}
            lines += [f"  {kind}: {MEANING[kind]}" for kind in MEANING if kind in made]
        lines += [f"{exporter} refuses: {why}" for exporter, why in self.refused()]
        return "\n".join(lines)

    def formats(self) -> dict[str, str]:
        """Return `{layer: what its quantizers are for, and their formats}`."""
        told = {}
        for row in self.report.quantizers:
            layer, _, role = row.name.rpartition("/")
            told.setdefault(layer or role, []).append(f"{role} {row.format}".strip())
        return {layer: ", ".join(formats) for layer, formats in told.items()}

    def refused(self) -> list[tuple[str, str]]:
        """Return `(exporter, reason)` for what is refused."""
        rows = self.report.floats
        floats = [
            (exporter, f"'{row.name}', which stays float")
            for exporter in (rows[0].exports if rows else ())
            for row in rows
            if row.exports[exporter] == REFUSED
        ]
        integers = [(e, why) for e, reasons in self.report.refusals.items() for why in reasons]
        return floats + integers


def inspect(model: keras.Model, targets: Sequence[str], masks: dict) -> list[Inspection]:
    """Return an `Inspection` for each target.

    Args:
        model: float model.
        targets: names in `keras_alt.targets.TARGETS`.
        masks: as for `keras_alt.quantize_model`.
    """
    return [Inspection(target, report(_quantized(model, target, masks))) for target in targets]


def _quantized(model, target, masks):
    quantized = quantize_model(model, QuantizeConfig(target=target), masks=masks)
    # Exporters tell which layers they refuse once thresholds are set; any will do.
    for quantizer in quantizers(quantized).values():
        if not quantizer.calibrated:
            quantizer.set_threshold(1.0)
    return quantized
