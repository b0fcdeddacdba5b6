"""The figures of `evaluate` are those of the metrics, and of the nets that `route` makes."""

import dataclasses

import numpy as np
import pytest
from scores import Decided, layout_rule

from keras_route.data.random_nets import generate
from keras_route.evaluation import evaluate
from keras_route.metrics import ConnectedRate, ExactMatch, PixelF1, PixelPrecision, PixelRecall
from keras_route.models import SearchRouter

COUNT = 150
SHARES = ("precision", "recall", "f1", "f1_with_pins", "connected", "exact")


def flipped(labels):
    """Return labels of which a third of the nets have a wrong pixel or several."""
    rng = np.random.default_rng(0)
    wrong = rng.random(labels.shape) < 0.0005
    return labels ^ (wrong & (rng.random(len(labels)) < 0.5)[:, None, None, None])


@pytest.fixture(scope="module")
def figures():
    wrong = Decided(lambda images: flipped(layout_rule(images)))
    return evaluate(wrong, COUNT, batch_size=COUNT, deduplicate=True)


def test_the_layout_rule_itself_is_perfect():
    figures = evaluate(Decided(layout_rule), 60, seed=4, deduplicate=True)

    for values in figures.values():
        assert set(dataclasses.astuple(values)[1:]) == {1.0}


def test_a_network_that_decides_nothing_still_gives_legal_nets():
    nothing = Decided(lambda images: np.zeros((*images.shape[:3], 8), "uint8"))

    all_nets = evaluate(nothing, 40)["all"]

    assert all_nets.routed_legal == 1
    assert {getattr(all_nets, name) for name in SHARES} == {0.0}


def test_figures_are_those_of_the_metrics(figures):
    x, labels = generate(COUNT, seed=2026, split="validation", deduplicate=True)
    metrics = {
        "precision": PixelPrecision(pins=False),
        "recall": PixelRecall(pins=False),
        "f1": PixelF1(pins=False),
        "f1_with_pins": PixelF1(),
        "connected": ConnectedRate(),
        "exact": ExactMatch(),
    }

    for name, metric in metrics.items():
        metric.update_state(labels, flipped(layout_rule(x)))
        assert 0 < getattr(figures["all"], name) < 1
        assert getattr(figures["all"], name) == pytest.approx(float(metric.result()), abs=1e-6)


def test_nets_are_counted_once_under_their_number_of_distinct_pins(figures):
    everything, *groups = figures.values()

    assert list(figures) == ["all", 2, 3, 4, 5]
    assert everything.nets == sum(group.nets for group in groups) == COUNT
    for name in ("connected", "exact", "routed_legal", "routed_exact"):
        total = sum(group.nets * getattr(group, name) for group in groups)
        assert getattr(everything, name) == pytest.approx(total / COUNT)


def test_routing_repairs_nets(figures):
    assert figures["all"].routed_legal == 1
    assert figures["all"].routed_exact > figures["all"].exact


def test_repeated_pins_are_counted_as_the_image_shows_them():
    figures = evaluate(Decided(layout_rule), 400, height=4, width=4, max_pins=3)

    assert list(figures) == ["all", 2, 3]
    assert figures[2].exact < 1  # the published rule looks at what the image does not show


def test_progress_ends_at_the_count():
    done = []

    evaluate(Decided(layout_rule), 30, progress=done.append, height=16, width=16)

    assert done == [30]


def test_a_line_of_figures_reads_as_percent(figures):
    text = str(figures["all"])

    assert text.startswith(f"nets {COUNT}  precision ")
    assert f"f1 {figures['all'].f1:.2%}" in text


def test_a_network_that_sees_obstacles_is_measured_elsewhere():
    model = SearchRouter(reach=15, stem=2, features=(4, 4, 4), blocks=(0, 0, 0))

    with pytest.raises(ValueError, match="evaluate_search.*Received: model='search_router'"):
        evaluate(model, 10)
