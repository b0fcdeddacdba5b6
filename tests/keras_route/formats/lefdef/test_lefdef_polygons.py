import numpy as np
import pytest

from keras_route.formats.lefdef.polygons import inner_rectangles, rectangles

pytestmark = pytest.mark.check


def region(db, boxes):
    return db.Region([db.Box(*box) for box in boxes.tolist()])


def polygon(db, corners):
    return db.Region(db.Polygon([db.Point(*corner) for corner in corners.tolist()]))


def staircase(rng):
    """Return the corners of a polygon whose sides run along x or y."""
    x, y = np.sort(rng.choice(99, (2, 12), replace=False), axis=1)
    up = np.stack((np.repeat(x, 2)[1:-1], np.repeat(y, 2)[:-2]), axis=1)
    return np.concatenate((up, [(x[-1], 200), (-5, 200), (-5, y[0])]))


@pytest.mark.parametrize("seed", range(5))
def test_rectangles_are_the_polygon(seed):
    db = pytest.importorskip("klayout.db")
    corners = staircase(np.random.default_rng(seed))
    assert (region(db, rectangles(corners)) ^ polygon(db, corners)).is_empty()
    assert (region(db, inner_rectangles(corners)) ^ polygon(db, corners)).is_empty()


def test_slanted_sides_lie_between_inner_and_outer_rectangles():
    db = pytest.importorskip("klayout.db")
    octagon = np.array(
        [(30, 0), (70, 0), (100, 30), (100, 70), (70, 100), (30, 100), (0, 70), (0, 30)]
    )
    outer, inner = region(db, rectangles(octagon)), region(db, inner_rectangles(octagon))
    assert (polygon(db, octagon) - outer).is_empty()
    assert (inner - polygon(db, octagon)).is_empty()
    assert inner.area() > 0.8 * outer.area()


def test_what_lies_in_two_contours_is_in_none():
    frame = np.array([(0, 0), (10, 0), (10, 10), (0, 10)])
    assert rectangles(frame, frame).tolist() == []
    assert rectangles(frame, frame // 2).tolist() == [[5, 0, 10, 5], [0, 5, 10, 10]]
