"""A certificate as one page that needs no other files."""

import html

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 46em; padding: 1em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin: 1.6em 0 0.3em; }
h2, code { overflow-wrap: anywhere; }
ul { margin: 0.3em 0; padding-left: 1.2em; }
.holds { color: #17692f; } .open { color: #a11616; } .note { color: #666; font-size: 0.9em; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: 0.15em 0.7em 0.15em 0; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
@media (prefers-color-scheme: dark) {
  .holds { color: #6fce8a; } .open { color: #ff8a80; } .note { color: #aaa; }
  td, th { border-color: #444; }
}
"""


def page(certificate: dict) -> str:
    """Return the HTML of a certificate."""
    name = html.escape(certificate["model"])
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>Certificate of {name}</title><style>{STYLE}</style>",
        f"<h1>Certificate of {name}</h1>",
        _verdict(certificate),
        *(
            f"<p>{html.escape(certificate[key])}</p>"
            for key in ("claim", "premise")
            if key in certificate
        ),
        _floats(certificate.get("floats", {})),
        *map(_layer, certificate["layers"]),
        _origin(certificate),
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _verdict(certificate):
    if certificate["proven"]:
        target = html.escape(certificate["target"])
        return (
            f"<p class=holds><b>Proven for all inputs.</b> No sum overflows under target {target}, "
            "and float32 holds every sum of training exactly.</p>"
        )
    reasons = [
        f"<b>{html.escape(row['layer'] or 'model')}</b>: {html.escape(row['reason'])}"
        for row in certificate["open"]
    ]
    return f"<p class=open><b>Not proven:</b></p>{_list(reasons)}"


def _floats(floats):
    rows = [f"{place}: {html.escape(', '.join(names))}" for place, names in floats.items() if names]
    return f"<p>Nothing is claimed about float layers:</p>{_list(rows)}" if rows else ""


def _layer(layer):
    facts = [
        f"<span class={'holds' if fact['holds'] else 'open'}>"
        f"{'✓' if fact['holds'] else '✗'}</span> {html.escape(fact['text'])}"
        for fact in layer["rests_on"]
    ]
    return f"<h2>{html.escape(layer['layer'])}</h2>{_sums(layer['sums'])}{_list(facts)}"


def _sums(rows):
    if not rows:
        return ""
    body = "".join(
        f"<tr><td>{html.escape(row['operation'])}<td>{min(row['low']):,}<td>{max(row['high']):,}"
        f"<td>{len(row['low'])}<td>2<sup>{row['exponent']}</sup>"
        for row in rows
    )
    head = "<tr><th>sum<th>least<th>largest<th>channels<th>unit"
    return f"<div><table>{head}{body}</table></div>"


def _list(items):
    return f"<ul>{''.join(f'<li>{item}' for item in items)}</ul>"


def _origin(certificate):
    about = f"keras_alt {certificate['keras_alt']}, certificate version {certificate['version']}"
    if "program" in certificate:
        about += f", program <code>{certificate['program']}</code>"
    return (
        f"<p class=note>{about}. The JSON form has bounds of each channel, and hashes of all "
        "weights; <code>keras_alt.check_certificate</code> recomputes them.</p>"
    )
