"""The report of a quantized model as a page."""

import math

from keras_alt.pages.charts import histogram, trajectories
from keras_alt.pages.network_picture import picture
from keras_alt.pages.rendering import rendered

INT32, FLOAT32 = 32, 25  # bits of the widest signed sums that both hold exactly
FEW = 40  # histograms that are shown at once


def report_page(report, history=None, matrix=None, sensitivity=None, command=None) -> str:
    """Return the HTML of a `Report`; see `Report.to_html` for the arguments."""
    _check("history", history, "steps", "a `keras_alt.callbacks.ThresholdHistory`")
    _check("matrix", matrix, "rows", "the result of `keras_alt.verify(..., engines=[...])`")
    return rendered(
        "report.html",
        report=report,
        summary=summary(report),
        picture=picture(report.wiring, report.layers),
        cards=_cards(report, history),
        few=FEW,
        course=_course(history),
        lines=report.totals(),
        sensitivity=_pivoted(sensitivity),
        matrix=matrix,
        command=command,
        widest=max([INT32, *(row.bits for row in report.accumulators)]),
        limits={"float32": FLOAT32, "int32": INT32},
    )


def _check(name, value, attribute, expected):
    if value is not None and not hasattr(value, attribute):
        raise TypeError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def summary(report) -> dict:
    """Return the figures that a reader wants first."""
    layers, places = report.layers, {}
    for row in layers:
        count, products = places.get(row.place, (0, 0))
        places[row.place] = (count + 1, products + row.multiply_accumulates)
    trained = (row.formats.items() for row in layers if row.weights)
    kernels = {text.split()[0] for kind in trained for role, text in kind if "kernel" in role}
    tensors = {wire.format.split()[0] for wire in report.wiring.wires if "int" in wire.format}
    return {
        "kernels": sorted(kernels),
        "tensors": sorted(tensors),
        "bytes": report.weight_bytes,
        "products": sum(report.multiply_accumulates.values()),
        "places": places,
        "layers": len(layers),
        "widest": max(report.accumulators, key=lambda row: row.worst, default=None),
    }


def _cards(report, history):
    """Return a dictionary for each histogram: the quantizer, the picture, where thresholds lie."""
    begun = {} if history is None else {k: v[0] for k, v in history.history.items() if v}
    cards = []
    for row in report.quantizers:
        if row.name in report.fits:
            drawn, has_one = histogram(report.fits[row.name]), not isinstance(row.threshold, list)
            limit = 2.0 ** math.ceil(math.log2(row.threshold)) if has_one else 1.0
            lines = {"trained": row.threshold / limit} if has_one else {}
            if has_one and math.isfinite(begun.get(row.name, math.nan)):
                lines["calibrated"] = 2.0 ** begun[row.name] / limit
            marks = {name: drawn["at"](value) for name, value in lines.items()}
            cards.append({"row": row, "drawn": drawn, "limit": limit, "lines": marks})
    return cards


def _course(history):
    if history is None or not history.steps:
        return None
    return trajectories(history.steps, history.history, history.frozen)


def _pivoted(sensitivity):
    """Return rows of a sensitivity with a column for each width."""
    if sensitivity is None:
        return None
    told = sensitivity.to_dict() if hasattr(sensitivity, "to_dict") else sensitivity
    rows = told["rows"] if isinstance(told, dict) else told
    widths = sorted({row["bits"] for row in rows})
    figure = "loss" if any(row.get("loss") is not None for row in rows) else "sqnr_db"
    table = {}
    for row in rows:
        table.setdefault((row["layer"], row.get("role", "")), {})[row["bits"]] = row.get(figure)
    return {"widths": widths, "figure": figure, "rows": table}
