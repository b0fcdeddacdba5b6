"""Drawings of random networks: wires run downwards, and nothing lies on anything else."""

import numpy as np
import pytest

from keras_alt.pages.layered import layered

WIDTH, LANE, GAP = 100, 10, 20


def random_network(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 30))
    wires = {(int(rng.integers(0, target)), target) for target in range(1, count)}
    wires |= {tuple(sorted(map(int, rng.choice(count, 2, replace=False)))) for _ in range(count)}
    return count, sorted(wires)


@pytest.mark.check
@pytest.mark.parametrize("seed", range(12))
def test_wires_run_downwards_and_nothing_overlaps(seed):
    count, wires = random_network(seed)
    drawing = layered(count, wires, WIDTH, LANE, GAP)
    spans = {(x, layer, WIDTH) for x, layer in drawing.centers}
    for (source, target), route in zip(wires, drawing.routes, strict=True):
        assert (route[0], route[-1]) == (drawing.centers[source], drawing.centers[target])
        layers = [layer for _, layer in route]
        assert layers == list(range(layers[0], layers[-1] + 1))
        spans |= {(x, layer, LANE) for x, layer in route[1:-1]}
    assert len(spans) == count + sum(len(route) - 2 for route in drawing.routes)
    for layer in range(drawing.layers):
        row = sorted((x - width / 2, x + width / 2) for x, y, width in spans if y == layer)
        assert row[0][0] >= -1e-6
        assert row[-1][1] <= drawing.width + 1e-6
        assert all(b[0] - a[1] >= GAP - 1e-6 for a, b in zip(row, row[1:], strict=False))


@pytest.mark.check
def test_a_chain_is_straight_beside_what_passes_it():
    wires = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]
    centers = [x for x, _ in layered(5, wires, WIDTH, LANE, GAP).centers]
    assert centers[0] == centers[3] == centers[4]
    assert centers[1] == pytest.approx(centers[2])


@pytest.mark.check
def test_one_box_and_none():
    assert layered(1, [], WIDTH, LANE, GAP).width == WIDTH
    assert layered(0, [], WIDTH, LANE, GAP).centers == []
