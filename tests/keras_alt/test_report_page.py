"""The page names everything once, shows what it is given, and needs nothing but itself."""

import html
import html.parser
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.fits import BINS, SPAN, Fit
from keras_alt.pages.charts import histogram, trajectories
from keras_alt.pages.rendering import code
from keras_alt.quantizer import quantizers

WIDTHS = (1200, 390)  # of a desk and of a phone


def network():
    """Return a network with an island, a branch, and names that a page must escape."""
    x = inputs = keras.Input((6, 6, 2), name="Bild")
    x = L.Conv2D(4, 3, padding="same", activation="relu", name='a<b>c & "d|e"')(x)
    x = L.Add()([x, L.Conv2D(4, 1, name="größe_分岐")(x)])
    x = L.LayerNormalization(name="<i>norm")(L.Flatten()(x))
    return keras.Model(inputs, L.Dense(3, name="head")(x), name="net <&>")


@pytest.fixture(scope="module")
def made():
    """Return a quantized network, data, and the history of a training."""
    x = np.random.default_rng(0).normal(size=(24, 6, 6, 2)).astype("float32")
    config = QuantizeConfig(target="litert", weights=4, weight_scales="channel")
    model = keras_alt.quantize_model(network(), config, calibration_data=x)
    # TensorFlow's graphs refuse such names.
    model.compile(keras_alt.optimizers.alt(1e-2, 1e-2), "mse", run_eagerly=True)
    history = keras_alt.callbacks.ThresholdHistory()
    model.fit(x, np.zeros((24, 3)), batch_size=8, epochs=1, verbose=0, callbacks=[history])
    return model, x, history


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    """Return the path of a page with all its parts."""
    model, x, history = made
    path = tmp_path_factory.mktemp("page") / "report.html"
    matrix = keras_alt.verify(network_in_integers(), x, engines=["integer", "tflm"], verbose=False)
    keras_alt.report(model, x).to_html(
        path,
        history=history,
        matrix=matrix,
        sensitivity=keras_alt.sensitivity(model, x, verbose=False),
        command="keras-alt report 'q<1>.keras'",
    )
    return path


def network_in_integers():
    layers = [keras.Input((6, 6, 2)), L.Conv2D(2, 3), L.Flatten(), L.Dense(2)]
    model = keras_alt.quantize_model(keras.Sequential(layers))
    for quantizer in quantizers(model).values():
        quantizer.set_threshold(1.0)
    return model


class Reader(html.parser.HTMLParser):
    """Keeps the tags with their attributes, and the texts of the cells of each table."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.cell = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.cell = tag

    def handle_endtag(self, tag):
        if tag == self.cell:
            self.cell = None

    def handle_data(self, data):
        if self.cell:
            self.tables[-1][-1][-1] += data

    def column(self, header):
        """Return the first column of the table whose first header is `header`."""
        (table,) = [table for table in self.tables if table[0][0] == header]
        return [row[0] for row in table[1:]]


def test_every_quantizer_and_every_layer_is_named_once(made, page):
    model, _, _ = made
    reader = Reader(page.read_text(encoding="utf-8"))
    assert reader.column("quantizer") == list(quantizers(model))
    layers = [layer.name for layer in keras_alt.report(model).layers]
    assert [row[0] for row in reader.tables[0][1:]] == layers
    assert {'a<b>c & "d|e"', "größe_分岐", "<i>norm", "head", "add", "flatten"} <= set(layers)


def test_what_names_hold_is_no_markup(page):
    text = page.read_text(encoding="utf-8")
    assert "<i>norm" not in text
    assert "a<b>c" not in text
    assert html.escape("net <&>") in text
    assert "q&lt;1&gt;.keras" in text


def test_the_page_asks_for_nothing(page):
    text = page.read_text(encoding="utf-8")
    reader = Reader(text)
    links = [attributes["href"] for _, attributes in reader.tags if "href" in attributes]
    names = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    assert links
    assert {link.removeprefix("#") for link in links} <= names
    assert not [attributes for _, attributes in reader.tags if "src" in attributes]
    assert not re.search(r"https?://|url\(|@import|fetch\(", text)
    assert "default-src 'none'" in text


def test_every_part_that_is_given_is_shown(page):
    reader = Reader(page.read_text(encoding="utf-8"))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert [name for name in ids if not name.startswith("layer-")] == [
        *("network", "layers", "quantizers", "histograms", "trajectories", "sums"),
        *("floats", "sensitivity", "engines", "origin"),
    ]
    assert reader.column("engine") == ["integer", "tflm"]
    (floats,) = [table for table in reader.tables if "way out" in table[0]]
    assert floats[1][0] == "<i>norm"
    assert floats[1][-1].startswith("Put a layer that has an integer form in its place")


def test_a_page_without_them_has_no_empty_parts(made, tmp_path):
    model, _, _ = made
    keras_alt.report(model).to_html(tmp_path / "report.html")
    ids = re.findall(r'id="([a-z]+)"', (tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not {"trajectories", "sensitivity", "engines"} & set(ids)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call `f(<x>)` < `g`!", "call <code>f(&lt;x&gt;)</code> &lt; <code>g</code>!"),
        ("a `b", "a `b"),
        ("`a`", "<code>a</code>"),
    ],
)
def test_backticks_are_code(text, shown):
    assert str(code(text)) == shown


def test_the_same_report_is_the_same_page(made, tmp_path):
    report = keras_alt.report(made[0])
    for name in ("a", "b"):
        report.to_html(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_uncalibrated_model_has_a_page_that_says_so(tmp_path):
    keras_alt.report(keras_alt.quantize_model(network())).to_html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No integer form yet." in text
    cells = [cell for table in Reader(text).tables for row in table for cell in row]
    assert not [cell for cell in cells if "nan" in cell.split()]


def test_histograms_count_every_weight_once(made):
    model, x, _ = made
    for data in (None, x):
        fits = keras_alt.report(model, data).fits
        for layer in ('a<b>c & "d|e"', "größe_分岐", "head"):
            size = int(np.prod(model.get_layer(layer).kernel.shape))
            fit = fits[f"{layer}/kernel"]
            assert fit.count == fit.counts.sum() == sum(histogram(fit)["counts"]) == size


@pytest.mark.parametrize("factor", [1e-3, 0.3, 1.0, 5.0, 1e4])
@pytest.mark.parametrize("format", [keras_alt.FixedPoint(2), keras_alt.FixedPoint(8, signed=False)])
def test_bars_hold_all_values_and_tell_what_is_clipped(factor, format, rng):
    quantizer = keras_alt.Quantizer(format, initial_threshold=2.0)
    quantizer.build()
    values, fit = factor * rng.normal(size=500), Fit(format)
    fit.add(quantizer, values)
    drawn = histogram(fit)
    assert sum(drawn["counts"]) == fit.counts.sum() == 500
    assert len(fit.counts) == BINS
    assert (fit.lowest, fit.highest) == pytest.approx((values.min() / 2, values.max() / 2))
    width = 2 * 2 * SPAN / BINS
    low, high = (2 * end for end in fit.ends())
    surely = (values < low - width) | (values > high + width)
    perhaps = (values < low + width) | (values > high - width)
    assert surely.sum() <= fit.clipped <= perhaps.sum()
    assert fit.clipped_counts.sum() == fit.clipped
    assert fit.clipped or not drawn["outside"]


def test_the_shift_is_the_mean_of_code_minus_value():
    quantizer = keras_alt.Quantizer(keras_alt.FixedPoint(3), initial_threshold=1.0)
    quantizer.build()
    fit = Fit(quantizer.format)
    fit.add(quantizer, np.array([0.25, 0.3, 2.0]))  # codes 1, 1, 3 in steps of 1/4
    assert fit.shift() == pytest.approx((0 - 0.2 - 5) / 3)


def test_trajectories_keep_their_ends_and_join_channels():
    steps = list(range(0, 4000, 10))
    series = np.linspace(-1, 2, 400)
    history = {"a/output": list(series)} | {f"a/kernel[{c}]": list(series + c) for c in range(30)}
    drawn = trajectories(steps, history, {"a/output": 2000})
    lines = {line["name"]: line for line in drawn["lines"]}
    assert set(lines) == {"a/output", "a/kernel, lowest", "a/kernel, highest"}
    assert drawn["steps"] == (0, 3990)
    assert [lines["a/kernel, highest"][key] for key in ("first", "last")] == [28, 31]
    assert lines["a/output"]["path"].count("L") < 200
    assert lines["a/output"]["stop"][0] == pytest.approx((34 + 892) / 2, abs=5)


def test_wrong_parts_are_refused(made, tmp_path):
    report = keras_alt.report(made[0])
    with pytest.raises(TypeError, match="`matrix` must be the result of `keras_alt.verify"):
        report.to_html(tmp_path / "report.html", matrix=[1])
    with pytest.raises(TypeError, match="`history` must be a `keras_alt.callbacks"):
        report.to_html(tmp_path / "report.html", history={})
    assert not list(tmp_path.iterdir())


def test_the_card_has_whole_tables_and_front_matter(made, tmp_path):
    model, x, _ = made
    matrix = keras_alt.verify(network_in_integers(), x, engines=["integer"], verbose=False)
    keras_alt.report(model).to_markdown(tmp_path / "README.md", matrix=matrix)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    assert 'library_name: "keras"' in front
    assert '"int4"' in front
    assert r"# net \<&\>" in body
    for table in re.findall(r"(?:^\|.*\n)+", body, flags=re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(bars) == 1
    assert "integer | " in body
    assert r"\<i\>norm" in body


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def test_a_browser_shows_the_page_and_sorts_it(browser, page):
    wrong, asked = [], []
    tab = browser.new_page(viewport={"width": 1200, "height": 800})
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(pathlib.Path(page).as_uri())

    table = tab.locator("table", has_text="SQNR to float")
    header = table.locator("th:nth-child(6)")
    assert header.inner_text() == "SQNR"
    values = "cells => cells.map(cell => cell.dataset.value)"
    cells = table.locator("td:nth-child(6)")
    shown = lambda: [float(text) for text in cells.evaluate_all(values) if text]  # noqa: E731
    before = shown()
    assert header.get_attribute("aria-sort") == "none"
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert shown() == sorted(before)
    header.locator("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert shown() == sorted(before, reverse=True)
    table.locator("th", has_text="format").locator("button").press("Space")
    assert header.get_attribute("aria-sort") == "none"
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") == width

    assert not wrong
    assert [url for url in asked if not url.startswith("file:")] == []
    assert len(asked) == 1
