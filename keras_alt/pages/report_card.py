"""The report of a quantized model as a model card."""

import json

from keras_alt.pages.rendering import rendered
from keras_alt.pages.report_page import summary

IN_TABLE = ("weights:", "multiply-accumulates")  # totals that the table of the card has


def report_card(report, matrix=None) -> str:
    """Return the Markdown of a `Report`; see `Report.to_markdown` for the arguments."""
    tags = ["keras", "keras-alt", "quantized", *summary(report)["kernels"]]
    front = {"library_name": "keras", "tags": tags}
    return rendered(
        "card.md",
        front=[f"{key}: {json.dumps(value)}" for key, value in front.items()],
        report=report,
        summary=summary(report),
        lines=[line for line in report.totals() if not line.startswith(IN_TABLE)],
        matrix=matrix,
    )
