"""The part of the lattice in which a path is searched, and what the search pays."""

from typing import NamedTuple

import numpy as np

from keras_route.chip.compiled.occupancy import jit

LEFT, RIGHT, DOWN, UP, FALL, RISE, START = range(7)


class Window(NamedTuple):
    """A part of the lattice, and the marks of the searches in it.

    A place is the integer `(plane * rows + row) * columns + column`, counted within the window. A
    mark counts only if its stamp is that of the search, so that no array is cleared.

    Args:
        corner: (row, column) of the lowest place.
        size: (planes, rows, columns).
        stamp: (places,) int32, the last search that reached each place.
        cost: (places,) int32, the cost of the way to it.
        came: (places,) int8, the step that led to it.
        goal_stamp: (places,) int32, the last search for which it is a goal.
        goal_cost: (places,) int32, what arriving there costs.
        own_stamp: (places,) int32, the last search in which a via of the net is too close.
        open_stamp: (places,) int32, the last search whose guides hold the place.
        search: (1,) int32, the number of searches so far.
        keys, heap: the heap, keys and places.
    """

    corner: np.ndarray
    size: np.ndarray
    stamp: np.ndarray
    cost: np.ndarray
    came: np.ndarray
    goal_stamp: np.ndarray
    goal_cost: np.ndarray
    own_stamp: np.ndarray
    open_stamp: np.ndarray
    search: np.ndarray
    keys: np.ndarray
    heap: np.ndarray


class Prices(NamedTuple):
    """What a search pays, in database units of wire.

    Args:
        wire: (planes,) int64, of a unit of wire, at least 1.
        via: (planes,) int64, of a via of each level.
        fight: of a place that another net needs, and again for each time nets fought over it.
        haste: sixteenths by which the bound of the way that is left is enlarged; a path costs at
            most as much more than the cheapest.
    """

    wire: np.ndarray
    via: np.ndarray
    fight: int
    haste: int


def window_of(places: int) -> Window:
    """Return a window with room for a number of places."""
    return Window(
        corner=np.zeros(2, np.int64),
        size=np.zeros(3, np.int64),
        stamp=np.zeros(places, np.int32),
        cost=np.zeros(places, np.int32),
        came=np.zeros(places, np.int8),
        goal_stamp=np.zeros(places, np.int32),
        goal_cost=np.zeros(places, np.int32),
        own_stamp=np.zeros(places, np.int32),
        open_stamp=np.zeros(places, np.int32),
        search=np.zeros(1, np.int32),
        keys=np.zeros(places + 1024, np.int64),
        heap=np.zeros(places + 1024, np.int64),
    )


@jit
def place_before(step, p, j, i, rows, columns):
    if step < 2:
        i -= 2 * step - 1
    elif step < 4:
        j -= 2 * step - 5
    else:
        p -= 2 * step - 9
    return (p * rows + j) * columns + i
