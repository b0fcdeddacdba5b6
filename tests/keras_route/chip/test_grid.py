import numpy as np
import pytest

from keras_route.chip.grid import Grid

pytestmark = pytest.mark.check


def test_a_grid_covers_its_die_with_row_0_at_the_top():
    grid = Grid.over((-1.0, 2.0, 9.0, 6.0), 0.25)

    pixels = grid.pixels([(-1.0, 2.0), (9.0, 6.0), (-0.9, 5.2)])

    assert (grid.columns, grid.rows, grid.size) == (40, 16, 40)
    np.testing.assert_allclose(pixels, [(0, 40), (40, 24), (0.4, 27.2)])
    assert not grid.beyond[24:].any()
    assert grid.beyond[:24].all()


@pytest.mark.parametrize("die_um", [(0, 0, 10, 10), (-3, 5, 7.3, 8.11), (1, 1, 1.05, 9)])
@pytest.mark.parametrize("pitch", [0.08, 0.19, 0.5])
def test_as_many_wires_as_fit_lie_on_the_die(die_um, pitch):
    grid = Grid.over(die_um, pitch)

    left, bottom, right, top = die_um
    for low, first, high, count in (
        (left, grid.left_um, right, grid.columns),
        (bottom, grid.bottom_um, top, grid.rows),
    ):
        tracks = first + (np.arange(count) + 0.5) * pitch
        assert tracks[0] - 0.02 >= low - 1e-9
        assert tracks[-1] + 0.02 <= high + 1e-9
        assert high - low < (count + 1) * pitch + 0.04


@pytest.mark.parametrize("pitch", [0.0, -0.19, 0.079, np.nan, np.inf])
def test_wires_closer_than_they_are_wide_are_refused(pitch):
    with pytest.raises(ValueError, match=r"at least 0\.08 um.*Received: um_per_px="):
        Grid.over((0, 0, 10, 10), pitch)


@pytest.mark.parametrize("die_um", [(0, 0, 10, 0.04), (5, 0, 3, 9), (0, 0, np.nan, 1)])
def test_a_die_has_room_for_a_wire(die_um):
    with pytest.raises(ValueError, match="Received: die_um="):
        Grid.over(die_um, 0.19)


def test_pins_off_the_die_are_refused():
    with pytest.raises(ValueError, match=r"Received: pins at \[\[11.0, 3.0\]\]"):
        Grid.over((0, 0, 10, 10), 0.25).pixels([(1.0, 1.0), (11.0, 3.0)])


def test_windows_hold_their_pins_and_stay_in_the_grid(rng):
    grid = Grid(50, 50, 0.19)
    for _ in range(100):
        corner = rng.integers(0, 50, 2)
        pins = np.clip(corner + rng.integers(0, 20, (4, 2)), 0, 49)

        for side in (20, 33, 50):
            x, y = grid.window(pins, side)

            assert 0 <= x <= 50 - side
            assert 0 <= y <= 50 - side
            local = pins - (x, y)
            assert (local >= 0).all()
            assert (local < side).all()
