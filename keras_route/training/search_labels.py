"""Windows with obstacles, and the pixels of their cheapest routes as the search finds them."""

import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import shutil
import threading
from collections.abc import Callable

import numpy as np

from keras_route.argument_checks import check_integer
from keras_route.array_files import read_arrays
from keras_route.data.obstacles import random_obstacles
from keras_route.data.random_nets import NetFamily, random_stream
from keras_route.files import written_whole
from keras_route.routing.legalize import resistance_maze
from keras_route.routing.maze import EXACT_PINS, Maze
from keras_route.training.settings import keep_to

FREE_SHARE = 0.1  # of the windows, which have no obstacles
NEAR = 0.01  # of the cheapest route's cost, by which another one is dearer and still good
PART = 500  # windows of a part of a file
ARRAYS = ("pins", "blocked", "cheapest", "near")


@dataclasses.dataclass(frozen=True)
class SearchFamily:
    """The distribution of windows to search.

    The number of pins, the place of each and the share of blocked pixels are uniform; one window in
    ten is free. The m3 above each pin is free. Windows in which no route joins the pins are drawn
    again.

    Args:
        height: rows of the window.
        width: columns of the window.
        min_pins: least number of different pins.
        max_pins: largest number of pins, up to 10.
        window_um: length of both sides of the window in micrometres.
        most_blocked: largest share of pixels that are blocked.
        least_blocked: smallest share, in windows that are not free.
        split: `"train"`, `"validation"` or None, see `generate`.
    """

    height: int = 32
    width: int = 32
    min_pins: int = 2
    max_pins: int = 10
    window_um: float = 11.0
    most_blocked: float = 0.4
    least_blocked: float = 0.0
    split: str | None = None

    def __post_init__(self):
        self.nets  # noqa: B018 - its constructor checks the values
        if self.max_pins > EXACT_PINS or not 0 <= self.least_blocked <= self.most_blocked < 1:
            raise ValueError(
                f"The search is exact up to {EXACT_PINS} pins, and blocked shares lie between 0 "
                f"and 1. Received: max_pins={self.max_pins}, least_blocked={self.least_blocked}, "
                f"most_blocked={self.most_blocked}"
            )

    @property
    def nets(self) -> NetFamily:
        """The distribution of the pins."""
        return NetFamily(
            *(self.height, self.width, self.min_pins, self.max_pins, self.window_um),
            deduplicate=True,
            split=self.split,
        )

    def window(self, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the pins of a window and what is blocked in it, (height, width, 4)."""
        from keras_route.routing.compiled import trees

        rng = random_stream(seed, index)
        free = self.least_blocked == 0 and rng.random() < FREE_SHARE
        share = 0.0 if free else rng.uniform(self.least_blocked, self.most_blocked)
        while True:
            (pins,) = self.nets.random_pins(1, rng)
            blocked = random_obstacles(self.height, self.width, share, rng)
            blocked[pins[:, 1], pins[:, 0], 0] = False
            arguments = self.maze(blocked).arguments(pins)
            if trees.nearest_first(*arguments)[0] < arguments[-1][0]:
                return pins, blocked

    def maze(self, blocked: np.ndarray) -> Maze:
        """Return the maze of a window in which a route costs its resistance."""
        return resistance_maze(blocked, (self.window_um / self.width, self.window_um / self.height))

    def labelled(self, seed: int, index: int) -> tuple[np.ndarray, ...]:
        """Return one window: pins, blocked, cheapest and near.

        Returns:
            Booleans: where pins are, (height, width); what is blocked; and which pixels lie on a
            cheapest route, or on one that costs up to 1 % more, (height, width, 4) each.
        """
        from keras_route.routing.compiled import trees

        pins, blocked = self.window(seed, index)
        through = trees.costs_through(*self.maze(blocked).arguments(pins))
        image = np.zeros(blocked.shape[:2], bool)
        image[pins[:, 1], pins[:, 0]] = True
        through = np.moveaxis(through, 0, -1)
        least = int(through.min())
        return image, blocked, through == least, through <= least * (1 + NEAR)


class SearchLabels:
    """Windows with their labels, packed to bits.

    Args:
        family: of the windows.
        packed: name of each array of `SearchFamily.labelled` to uint8 (N, bytes).
    """

    def __init__(self, family: SearchFamily, packed: dict[str, np.ndarray]):
        self.family, self.packed = family, packed

    def __len__(self) -> int:
        return len(self.packed["pins"])

    def arrays(self, indices) -> tuple[np.ndarray, ...]:
        """Return pins, blocked, cheapest and near of these windows, as zeros and ones of uint8."""
        height, width = self.family.height, self.family.width
        shapes = dict.fromkeys(ARRAYS, (height, width, 4)) | {"pins": (height, width)}
        return tuple(
            np.unpackbits(self.packed[name][indices], axis=1, count=int(np.prod(shape))).reshape(
                -1, *shape
            )
            for name, shape in shapes.items()
        )


def search_labels(family: SearchFamily, seed: int, first: int, count: int) -> SearchLabels:
    """Return windows of a seed with their labels, `first` and the `count - 1` after it."""
    windows = [family.labelled(seed, index) for index in range(first, first + count)]
    columns = zip(*windows, strict=True)
    return SearchLabels(
        family,
        {
            name: np.packbits(np.stack(column).reshape(count, -1), axis=1)
            for name, column in zip(ARRAYS, columns, strict=True)
        },
    )


def write_search_labels(
    path: str | os.PathLike,
    count: int,
    seed: int = 0,
    processes: int = 1,
    progress: Callable[[int], None] | None = None,
    **options,
) -> None:
    """Write windows with their labels to a file, which `read_search_labels` reads.

    The windows are drawn in parts, which a folder beside the file keeps. After an interruption, the
    same call goes on. The first windows of a seed are the same for every `count`.

    Args:
        path: of the `.npz` file.
        count: number of windows.
        seed: integer >= 0.
        processes: that draw at once.
        progress: called with the number of windows done so far.
        **options: arguments of `SearchFamily`.

    Raises:
        TypeError, ValueError: an argument is out of its range, or the folder holds parts of
            another call.
    """
    family = SearchFamily(**options)
    check_integer("count", count, 1)
    check_integer("seed", seed, 0)
    check_integer("processes", processes, 1)
    told = {**dataclasses.asdict(family), "seed": seed}
    parts = pathlib.Path(f"{os.fspath(path)}.parts")
    parts.mkdir(exist_ok=True)
    keep_to(parts / "windows.json", told)
    starts = range(0, count, PART)
    draw = functools.partial(_write_part, family, seed, count, parts)
    done = 0
    for size in _mapped(draw, starts, processes):
        done += size
        if progress is not None:
            progress(done)
    packed = [dict(np.load(_part(parts, start))) for start in starts]
    arrays = {name: np.concatenate([p[name] for p in packed])[:count] for name in ARRAYS}
    with written_whole(path) as temporary:
        np.savez_compressed(temporary, told=json.dumps(told), **arrays)  # type: ignore[arg-type]
    shutil.rmtree(parts)


def read_search_labels(path: str | os.PathLike) -> SearchLabels:
    """Return the windows of a file that `write_search_labels` wrote.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file holds something else.
    """
    try:
        arrays = read_arrays(path)
        told = json.loads(str(arrays["told"]))
        told.pop("seed")
        return SearchLabels(SearchFamily(**told), {name: arrays[name] for name in ARRAYS})
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "Windows are read from a file that `keras-route generate --labels search` wrote. "
            f"Received: path={os.fspath(path)!r} ({error})"
        ) from error


def _mapped(function, values, processes):
    if processes == 1:
        yield from map(function, values)
        return
    context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not survive a fork
    with concurrent.futures.ProcessPoolExecutor(processes, context, _end_with_parent) as pool:
        yield from pool.map(function, values)


def _end_with_parent():
    """End this process when the one that started it has ended, even if that one was killed."""
    parent = multiprocessing.parent_process().sentinel

    def watch():
        multiprocessing.connection.wait([parent])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_part(family, seed, count, parts, start):
    """Write the part from `start` unless it is there; return its number of windows."""
    size = min(PART, count - start)
    path = _part(parts, start)
    if path.exists():
        with np.load(path) as file:
            if len(file["pins"]) >= size:
                return size
    with written_whole(path) as temporary:
        np.savez_compressed(temporary, **search_labels(family, seed, start, size).packed)
    return size


def _part(parts, start):
    return parts / f"part_{start // PART:05d}.npz"
