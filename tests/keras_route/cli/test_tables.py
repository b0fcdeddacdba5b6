"""Tables show what was measured, in columns."""

import pytest

from keras_route.cli.tables import aligned, figures_table, layers_summary, nets_table
from keras_route.data.random_nets import draw_net
from keras_route.evaluation import Figures
from keras_route.layout.net import Net

pytestmark = pytest.mark.check


def test_columns_are_aligned():
    assert aligned([["net", "um"], ["long name", "3.25"], ["a", "10"]]) == (
        "net          um\nlong name  3.25\na            10"
    )


def test_figures_have_a_line_for_each_number_of_pins():
    some = Figures(7, 0.5, 0.25, 1 / 3, 0.4, 0.1, 0.0, 1.0, 0.98765)
    shares = ["50.00%", "25.00%", "33.33%", "40.00%", "10.00%", "0.00%", "100.00%", "98.77%"]

    header, line, other = figures_table({"all": some, 2: some}).splitlines()

    assert header.split()[:3] == ["pins", "nets", "precision"]
    assert line.split() == ["all", "7", *shares]
    assert other.split()[0] == "2"


def test_nets_have_their_lengths_vias_and_resistance():
    pins = [(2, 5), (9, 5)]
    many = [(2 * i, 3 * (i % 3)) for i in range(12)]
    nets = [Net.from_labels(draw_net(p), name=name) for p, name in ((pins, "two"), (many, ""))]

    _, two, twelve = nets_table(nets).splitlines()

    length = 7 * 11 / 32
    ohm = nets[0].resistance()
    assert two.split() == ["two", "2", f"{length:.2f}", f"{length:.2f}", "0", f"{ohm:.0f}", "0"]
    assert twelve.split()[0] == "net_1"
    assert twelve.split()[3] == "-"  # too many pins for an exact search


def test_lengths_and_vias_are_summed_by_layer():
    pins = ([(2, 5), (9, 5)], [(3, 3), (20, 9)])
    nets = [Net.from_labels(draw_net(p)) for p in pins]

    lengths, counts = layers_summary(nets).splitlines()

    told = dict(part.split() for part in lengths.removeprefix("wire um by layer: ").split(", "))
    assert list(told) == ["m3", "m4", "m5", "m6"]
    assert sum(map(float, told.values())) == pytest.approx(
        sum(net.wire_length for net in nets), abs=0.02
    )
    told = dict(part.split() for part in counts.removeprefix("vias by layer: ").split(", "))
    assert list(told) == ["via3", "via4", "via5"]
    assert sum(map(int, told.values())) == sum(len(net.vias) for net in nets) > 0
