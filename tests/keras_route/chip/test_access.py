import numpy as np

from keras_route.chip.access import access_points
from keras_route.chip.grid import Grid


def test_access_points_belong_to_one_net_each_and_are_near(rng):
    pixels = rng.uniform(0, 20, (300, 2))
    nets = rng.integers(0, 100, 300)

    points = access_points(pixels, nets, Grid(20, 20, 0.19))

    found = points[:, 0] >= 0
    assert 0.5 < found.mean() < 1
    owners = {}
    for point, net in zip(points[found].tolist(), nets[found], strict=True):
        assert owners.setdefault(tuple(point), net) == net
    assert (np.abs(points[found] - np.floor(pixels[found])) <= 1).all()
    assert ((points[found] >= 0) & (points[found] < 20)).all()
    # Who found none could not: others have the nine pixels around.
    for pixel, net in zip(pixels[~found], nets[~found], strict=True):
        x, y = np.floor(pixel).astype(int)
        around = [(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        inside = [p for p in around if min(p) >= 0 and max(p) < 20]
        assert all(owners.get(p, net) != net for p in inside)


def test_pins_alone_on_their_pixel_stay_there():
    pixels = np.array([(0.1, 0.9), (1.5, 0.5), (7.99, 3.2), (8.0, 8.0)])

    points = access_points(pixels, np.arange(4), Grid(8, 8, 0.19))

    np.testing.assert_array_equal(points, [(0, 0), (1, 0), (7, 3), (7, 7)])
