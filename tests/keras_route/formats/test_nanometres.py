import dataclasses

import numpy as np
import pytest

from keras_route.formats.nanometres import centre_nm, origins_nm
from keras_route.layout.net import Net

pytestmark = pytest.mark.check


def net(**attributes):
    return Net(((0, 0), (3, 3)), (), (), **attributes)


def test_rows_count_from_the_top_and_nanometres_from_below():
    window = net(window_um=8.0, height=4, width=8)
    assert centre_nm(window, 0, 3) == (500, 1000)
    assert centre_nm(window, 7, 0) == (7500, 7000)


def test_neighbouring_tracks_are_apart_wherever_they_round_to():
    window = net()
    columns = [centre_nm(window, x, 0)[0] for x in range(32)]
    assert set(np.diff(columns)) == {343, 344}


def test_windows_do_not_overlap():
    corners = origins_nm([net(), net(window_um=22.0), net()], None)
    assert corners == [(0, 0), (22000, 0), (0, 22000)]
    assert origins_nm([], None) == []


def test_each_net_that_is_placed_has_an_origin():
    nets = [net(), dataclasses.replace(net(), name="a")]
    assert origins_nm(nets, [(0, 0.0005), (1.25, -2)]) == [(0, 0), (1250, -2000)]
    with pytest.raises(ValueError, match="Received: 2 nets, 1 origins"):
        origins_nm(nets, [(0, 0)])
