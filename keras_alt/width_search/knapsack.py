"""The multiple-choice knapsack problem: one option of each item, within a budget, at least loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-9  # relative; keeps rounding from dropping the best choice


@dataclass(frozen=True)
class Item:
    """Options of which one is taken.

    Attributes:
        costs: of each option, integers.
        losses: of each option.
    """

    costs: Sequence[int]
    losses: Sequence[float]


def least_loss(items: Sequence[Item], budget: int) -> list[int] | None:
    """Return the option of each item such that the losses add up to the least within the budget.

    The result is exact. Items are added one after another to all sums of costs and losses that are
    worth keeping (Nemhauser and Ullmann, 1969): a sum is dropped if another one costs no more and
    loses no more, or if it cannot lead below a known choice, by the bound of the Lagrangian
    relaxation (Kellerer, Pferschy and Pisinger, 2004, section 11). What is kept is in practice a
    few hundred sums.

    Args:
        items: each with at least one option.
        budget: that the costs must not exceed.

    Returns:
        An index for each item; None if no choice meets the budget.
    """
    if sum(min(item.costs) for item in items) > budget:
        return None
    known, price = _greedy(items, budget)
    relaxed = [min(_priced(item, price)) for item in items]
    best = sum(item.losses[option] for item, option in zip(items, known, strict=True))
    scale = sum(max(map(abs, item.losses)) for item in items) + 1e-300
    limit = best + price * budget + TOLERANCE * scale
    costs, losses, steps = np.zeros(1, np.int64), np.zeros(1), []
    for index, item in enumerate(items):
        behind = sum(min(later.costs) for later in items[index + 1 :])
        bound = limit - math.fsum(relaxed[index + 1 :])
        costs, losses, step = _extended(costs, losses, item, budget - behind, bound, price)
        steps.append(step)
    return _traced(steps, int(np.argmin(losses))) if len(losses) else known


def _extended(costs, losses, item, budget, bound, price):
    """Return the sums with one more item, and where each of them comes from."""
    options = len(item.costs)
    costs = np.add.outer(costs, np.array(item.costs, np.int64)).ravel()
    losses = np.add.outer(losses, np.array(item.losses, np.float64)).ravel()
    kept = np.flatnonzero((costs <= budget) & (losses + price * costs <= bound))
    kept = kept[np.lexsort((losses[kept], costs[kept]))]
    sorted_losses = losses[kept]
    before = np.minimum.accumulate(np.concatenate([[np.inf], sorted_losses[:-1]]))
    kept = kept[sorted_losses < before[: len(kept)]]
    return costs[kept], losses[kept], np.divmod(kept, options)


def _traced(steps, position):
    """Return the options that lead to a sum of the last step."""
    chosen = []
    for parents, options in reversed(steps):
        chosen.append(int(options[position]))
        position = parents[position]
    return chosen[::-1]


def _greedy(items, budget):
    """Return a choice within the budget, and the price of a unit of cost at which it was made.

    From the cheapest options on, the step that saves most loss for its cost comes first. The price
    is that of the first step that does not fit.
    """
    hulls = [_hull(item) for item in items]
    steps = sorted(
        (slope, index, position)
        for index, hull in enumerate(hulls)
        for position, slope in enumerate(_slopes(items[index], hull))
    )
    left = budget - sum(item.costs[hull[0]] for item, hull in zip(items, hulls, strict=True))
    reached, price = [0] * len(items), 0.0
    for slope, index, position in steps:
        item, hull = items[index], hulls[index]
        cost = item.costs[hull[position + 1]] - item.costs[hull[position]]
        if reached[index] == position and cost <= left:
            reached[index] += 1
            left -= cost
        else:
            price = price or -slope
    return [hull[at] for hull, at in zip(hulls, reached, strict=True)], price


def _hull(item):
    """Return the options on the lower convex hull of loss over cost, from the cheapest on."""
    hull = []
    for option in sorted(range(len(item.costs)), key=lambda i: (item.costs[i], item.losses[i])):
        if hull and item.losses[option] >= item.losses[hull[-1]]:
            continue
        while len(hull) > 1 and _slope(item, hull[-1], option) <= _slope(item, hull[-2], hull[-1]):
            hull.pop()
        hull.append(option)
    return hull


def _slopes(item, hull):
    return [_slope(item, *pair) for pair in zip(hull, hull[1:], strict=False)]


def _slope(item, first, second):
    return (item.losses[second] - item.losses[first]) / (item.costs[second] - item.costs[first])


def _priced(item, price):
    return [loss + price * cost for cost, loss in zip(item.costs, item.losses, strict=True)]
