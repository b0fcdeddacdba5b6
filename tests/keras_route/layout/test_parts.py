import numpy as np
import pytest

from keras_route.layout import parts
from keras_route.technology.layers import METALS, VIAS

pytestmark = pytest.mark.check


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_wires_are_maximal_runs(rng, share):
    labels = rng.random((20, 31, 8)) < share
    rows, columns = labels.shape[:2]
    covered = np.zeros(labels.shape, int)
    for wire in parts.wires(labels):
        channel = METALS[wire.layer].channel
        covered[wire.y0 : wire.y1 + 1, wire.x0 : wire.x1 + 1, channel] += 1
        along = (1, 0) if METALS[wire.layer].horizontal else (0, 1)
        for x, y in (
            (wire.x0 - along[0], wire.y0 - along[1]),
            (wire.x1 + along[0], wire.y1 + along[1]),
        ):
            inside = 0 <= x < columns and 0 <= y < rows
            assert not (inside and labels[y, x, channel])
    metals = [metal.channel for metal in METALS.values()]
    np.testing.assert_array_equal(covered[..., metals], labels[..., metals])


@pytest.mark.parametrize("ends", [(3, 5, 7, 5), (3, 5, 3, 9), (3, 5, 3, 5), (3, 5, 6, 9)])
def test_a_wire_lists_the_pixels_that_it_draws(ends):
    x0, y0, x1, y1 = ends
    drawn = np.zeros((20, 31), int)
    drawn[y0 : y1 + 1, x0 : x1 + 1] = 1

    pixels = parts.Wire("m4", *ends).pixels()

    assert (pixels[0], pixels[-1]) == ((x0, y0), (x1, y1))
    for x, y in pixels:
        drawn[y, x] -= 1
    assert not drawn.any()


def test_vias_are_where_their_layer_is_on(rng):
    labels = rng.random((20, 31, 8)) < 0.1
    vias = list(parts.vias(labels))
    assert len(vias) == labels[..., [via.channel for via in VIAS.values()]].sum()
    assert all(labels[via.y, via.x, VIAS[via.layer].channel] for via in vias)


def test_parts_say_what_and_where():
    assert str(parts.Wire("m4", 2, 5, 9, 5)) == "m4 from (2, 5) to (9, 5)"
    assert str(parts.Via("via3", 2, 5)) == "via3 at (2, 5)"
    assert str(parts.Wire("m4", 2, 5, 2, 5)) == "m4 at (2, 5)"
    assert parts.Wire("m4", 2, 5, 9, 5).length == 7
    assert parts.Wire("m3", 2, 5, 2, 5).length == 0
