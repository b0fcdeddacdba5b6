"""The page of the demo shows what the examples made, and nothing else."""

import html.parser
import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from test_pipeline import run

from keras_alt.cli.arguments import parser as alt_parser
from keras_route.cli.arguments import parser as route_parser

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
NETWORK = {
    "name": "INT8",
    "stem": "int8",
    "bits": 8,
    "float": 0.9123,
    "static": 0.8234,
    "weights": 0.8312,
    "alt": 0.9456,
    "seconds": 3.2,
    "codes": 41_230,
    "differ": 17,
    "thresholds": 29,
    "moved": 6,
    "weight_bytes": {"float": 23_456, "quantized": 4_567},
    "multiply_accumulates": {"8x8": 123_456},
    "sum_bits": 19,
}
QUICKSTART = {
    "command": "python quickstart.py",
    "training_images": 1_357,
    "test_images": 246,
    "epochs": 31,
    "retrain_epochs": 13,
    "float_weights": 9_753,
    "networks": [NETWORK],
    "versions": {"keras": "3.99"},
    "files": [
        {"name": "c", "what": "C", "proof": "verify", "bytes": 34_567, "paths": ["c/a.c", "c/a.h"]}
    ],
}
NET = {
    "name": "net_0",
    "picture": "nets/net_0.svg",
    "pins": 5,
    "wire_um": 12.34,
    "shortest_um": 11.23,
    "vias": 4,
    "ohm": 567.8,
    "changed": 9,
}
ROUTE = {
    "command": "python route_nets.py",
    "network": "router",
    "nets": 12,
    "as_the_rule": 11,
    "as_decided": 10,
    "drawn": [NET],
    "around": [NET],
    "blocked": {"start": 12, "stop": 20, "size": 32},
    "faults": 3,
    "layers": [{"name": "m3", "colour": [50, 205, 50], "is": "metal"}],
    "files": [{"name": "n.gds", "what": "layout", "proof": "", "bytes": 76, "paths": ["n.gds"]}],
}
SHOWN = ["91.2%", "82.3%", "83.1%", "94.6%", "17 of 41,230", "6 of 29", "4,567", "19", "1,357"]
SHOWN += ["246", "31", "13", "34.6 kB", "12.3", "11.2", "568", "76 bytes", "3 broken", "3.99"]


class Page(html.parser.HTMLParser):
    """The text that is seen, and the links."""

    def __init__(self, text):
        super().__init__()
        self.links, self.text, self.hidden = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src")]
        self.hidden = tag in ("style", "title")

    def handle_endtag(self, tag):
        self.hidden = False

    def handle_data(self, data):
        if not self.hidden:
            self.text += data


def page_of(folder):
    script = [sys.executable, EXAMPLES / "demo_page.py", "--output", folder]
    said = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    path = folder / "index.html"
    assert said.splitlines()[-1].endswith(str(path))
    return Page(path.read_text(encoding="utf-8"))


def missing(page, folder):
    return [link for link in page.links if not (folder / link).is_file()]


def test_the_page_shows_the_figures_of_the_results(tmp_path):
    for name, results in (("quickstart", QUICKSTART), ("route", ROUTE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    (tmp_path / "route" / "nets").mkdir()
    (tmp_path / "route" / "nets" / "net_0.svg").write_text("<svg><title>a wire</title></svg>")

    page = page_of(tmp_path)

    assert [figure for figure in SHOWN if figure not in page.text] == []
    assert set(missing(page, tmp_path)) == {
        *(f"quickstart/int8_{end}" for end in ("report.html", "thresholds.png")),
        *("quickstart/int8_distributions.png", "quickstart/c/a.c", "quickstart/c/a.h"),
        "route/n.gds",
    }


@pytest.mark.check
def test_the_template_has_no_figure_of_its_own():
    template = (EXAMPLES / "demo_page.html.jinja").read_text(encoding="utf-8")
    text = Page(re.sub(r"{{.*?}}|{%.*?%}", "", template, flags=re.DOTALL)).text
    assert "thresholds" in text
    assert not re.search(r"\d", text)


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_every_link_of_a_real_page_resolves_and_every_proof_can_be_typed(tmp_path):
    run("quickstart.py", "--smoke", "--bits", 4, "--output", tmp_path / "quickstart")
    run("route_nets.py", "--count", 3, "--output", tmp_path / "route")

    page = page_of(tmp_path)

    assert len(page.links) > 15
    assert missing(page, tmp_path) == []
    parsers = {"keras-alt": alt_parser, "keras-route": route_parser}
    for name in ("quickstart", "route"):
        for file in json.loads((tmp_path / name / "results.json").read_text())["files"]:
            assert file["bytes"] > 100
            tool, *arguments = shlex.split(file["proof"]) or [""]
            if (tool := pathlib.Path(tool).name) in parsers:
                parsers[tool]().parse_args(arguments)
