import dataclasses

import numpy as np
import pytest

from keras_route import layout
from keras_route.net import Net

pytestmark = pytest.mark.check


def net(**attributes):
    return Net(((0, 0), (3, 3)), (), (), **attributes)


def test_nets_without_a_name_are_numbered():
    assert layout.names([net(), net(name="clk[3]"), net()]) == ["net_0", "clk[3]", "net_2"]


def test_titles_may_be_anything():
    assert layout.titles([net(name="a b"), net(), net(name="a b")]) == ["a b", "net_1", "a b"]


@pytest.mark.parametrize("name", ["a", "net_0", "TOP", "two words", "a;b", "a\nb"])
def test_names_that_a_file_cannot_hold(name):
    with pytest.raises(ValueError, match=r"different names.*Received: name="):
        layout.names([net(), net(name="a"), net(name=name)])


def test_rows_count_from_the_top_and_nanometres_from_below():
    window = net(window_um=8.0, height=4, width=8)
    assert layout.centre(window, 0, 3) == (500, 1000)
    assert layout.centre(window, 7, 0) == (7500, 7000)


def test_neighbouring_tracks_are_apart_wherever_they_round_to():
    window = net()
    columns = [layout.centre(window, x, 0)[0] for x in range(32)]
    assert set(np.diff(columns)) == {343, 344}


def test_windows_do_not_overlap():
    corners = layout.origins([net(), net(window_um=22.0), net()], None)
    assert corners == [(0, 0), (22000, 0), (0, 22000)]
    assert layout.origins([], None) == []


def test_each_net_that_is_placed_has_an_origin():
    nets = [net(), dataclasses.replace(net(), name="a")]
    assert layout.origins(nets, [(0, 0.0005), (1.25, -2)]) == [(0, 0), (1250, -2000)]
    with pytest.raises(ValueError, match="Received: 2 nets, 1 origins"):
        layout.origins(nets, [(0, 0)])
