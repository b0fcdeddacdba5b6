import dataclasses

import numpy as np
import pytest

from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.pins import PinSets
from keras_route.routing.legalize import drawn, legalize
from keras_route.routing.maze import tree_with_cost
from keras_route.training import search_labels
from keras_route.training.search_batches import SearchBatches, examples
from keras_route.training.search_labels import (
    ARRAYS,
    SearchFamily,
    read_search_labels,
    write_search_labels,
)

pytestmark = pytest.mark.check

FAMILY = SearchFamily(height=16, width=16, max_pins=5, window_um=5.5)
OPTIONS = {key: value for key, value in dataclasses.asdict(FAMILY).items() if value is not None}


def pins_in(image):
    return np.argwhere(image)[:, ::-1]


def test_labels_hold_a_cheapest_route_and_little_else():
    for index in range(30):
        image, blocked, cheapest, near = FAMILY.labelled(0, index)
        pins, maze = pins_in(image), FAMILY.maze(blocked)

        least, _ = tree_with_cost(maze, pins)
        cost, metal = tree_with_cost(maze, pins, np.moveaxis(cheapest, -1, 0))

        assert cost == least
        assert check(Net.from_labels(drawn(metal, pins), pins), blocked) == []
        assert not (cheapest & blocked).any()
        assert not (cheapest & ~near).any()


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_window_has_mirrored_labels(axis):
    for index in range(10):
        image, blocked, cheapest, _ = FAMILY.labelled(1, index)
        maze = FAMILY.maze(np.flip(blocked, axis))

        least, _ = tree_with_cost(maze, pins_in(np.flip(image, axis)))
        within = np.moveaxis(np.flip(cheapest, axis), -1, 0)
        cost, _ = tree_with_cost(maze, pins_in(np.flip(image, axis)), within)

        assert cost == least


def test_the_maze_of_a_family_is_that_of_legalize(rng):
    pins, blocked = FAMILY.window(2, 0)
    zeros = np.zeros((16, 16, 8))

    metal = tree_with_cost(FAMILY.maze(blocked), pins)[1]

    np.testing.assert_array_equal(
        drawn(metal, pins), legalize(zeros, pins, blocked, FAMILY.window_um)
    )


def test_windows_have_the_pins_and_the_blocked_share_of_their_family():
    family = dataclasses.replace(
        FAMILY, min_pins=4, max_pins=4, least_blocked=0.2, most_blocked=0.2
    )

    windows = [family.window(0, index) for index in range(20)]

    assert {len(pins) for pins, _ in windows} == {4}
    assert abs(np.mean([blocked.mean() for _, blocked in windows]) - 0.2) < 0.02
    assert all(not blocked[y, x, 0] for pins, blocked in windows for x, y in pins)


def test_a_split_has_no_pins_of_the_other():
    for split in ("train", "validation"):
        family = dataclasses.replace(FAMILY, split=split)
        pins = PinSets.of(family.window(0, index)[0] for index in range(10))
        assert (pins.held_out() == (split == "validation")).all()


def test_a_file_continues_after_an_interruption_and_ends_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(search_labels, "PART", 3)
    whole, broken = tmp_path / "whole.npz", tmp_path / "broken.npz"
    write_search_labels(whole, 7, **OPTIONS)

    def interrupt(done):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_search_labels(broken, 7, progress=interrupt, **OPTIONS)
    assert not broken.exists()
    drawn_anew = []
    draw = search_labels.search_labels
    monkeypatch.setattr(
        search_labels, "search_labels", lambda *a: drawn_anew.append(a[2]) or draw(*a)
    )
    write_search_labels(broken, 7, **OPTIONS)

    assert drawn_anew == [6]
    one, other = read_search_labels(whole), read_search_labels(broken)
    assert len(one) == len(other) == 7
    assert one.family == other.family == FAMILY
    for name in ARRAYS:
        np.testing.assert_array_equal(one.packed[name], other.packed[name])
    assert {path.name for path in tmp_path.iterdir()} == {"whole.npz", "broken.npz"}


def test_a_file_that_began_otherwise_is_not_continued(tmp_path):
    path = tmp_path / "windows.npz"
    with pytest.raises(KeyboardInterrupt):
        write_search_labels(path, 2, progress=_interrupt, **OPTIONS)

    with pytest.raises(ValueError, match="goes on as it began"):
        write_search_labels(path, 2, seed=1, **OPTIONS)


def _interrupt(done):
    raise KeyboardInterrupt


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=1)

    with pytest.raises(ValueError, match="generate --labels search"):
        read_search_labels(tmp_path / "other.npz")


@pytest.mark.parametrize("wrong", [{"max_pins": 11}, {"most_blocked": 1.0}, {"min_pins": 1}])
def test_what_cannot_be_searched_is_refused(wrong):
    with pytest.raises(ValueError, match="Received"):
        SearchFamily(**wrong)


@pytest.fixture
def labels():
    return search_labels.search_labels(FAMILY, 0, 0, 12)


def test_examples_show_windows_and_mirror_all_arrays_alike(labels):
    pins, blocked, cheapest, _ = labels.arrays(np.arange(12))

    x, y, weight = examples(labels, np.arange(12))
    mirrored = np.stack([np.ones(12, int), np.zeros(12, int)])
    flipped = examples(labels, np.arange(12), mirrored)

    np.testing.assert_array_equal(x[..., 0], pins)
    np.testing.assert_array_equal(x[..., 1:], blocked)
    np.testing.assert_array_equal(y[..., [1, 3, 5, 7]], cheapest)
    np.testing.assert_array_equal(y[..., 0], pins)
    assert (weight[y > 0] == 1).all()
    for array, other in zip((x, y, weight), flipped, strict=True):
        np.testing.assert_array_equal(array[:, ::-1], other)


def test_each_pass_takes_every_window_once_and_continues_where_it_stopped(labels):
    batches = SearchBatches(labels, 4, 3, seed=1)
    seen = np.concatenate([batches._windows(number) for number in range(3)])
    assert sorted(seen.tolist()) == list(range(12))

    batches.on_epoch_begin()
    batches.on_epoch_begin()
    continued = SearchBatches(labels, 4, 3, seed=1, initial_epoch=1)
    for one, other in zip(batches[2], continued[2], strict=True):
        np.testing.assert_array_equal(one, other)
