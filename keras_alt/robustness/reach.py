"""Which sums an operation can give, for all inputs, and which of them engines round differently."""

from dataclasses import dataclass, replace

import numpy as np

from keras_alt.engines.litert.single_rounding import SHIFTS
from keras_alt.integer import Program
from keras_alt.integer.operations import magnitudes
from keras_alt.integer.sum_widths import CHANNELS
from keras_alt.robustness.sites import Site

MOST = 2**22  # sums that are tried one by one


@dataclass(frozen=True)
class Sums:
    """The sums of each channel: `base + multiple * n` between `low` and `high`, arrays."""

    base: np.ndarray
    multiple: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def odd(self) -> bool:
        """Whether every sum is odd, for any input."""
        return bool(np.all(self.base % 2 == 1) and np.all(self.multiple % 2 == 0))

    def hold(self, sums: np.ndarray) -> bool:
        """Return whether some channel can give one of `sums`."""
        sums = sums[:, None]
        fits = (sums - self.base) % np.maximum(self.multiple, 1) == 0
        return bool((fits & (self.low <= sums) & (sums <= self.high)).any())


def sums_of(program: Program, site: Site) -> Sums:
    """Return the sums that a site rounds, in the steps of its channels.

    Products are multiples of the common divisor of their channel's weights. Other sums than those
    of a kernel with a bias on the grid of its products may be any number in their bounds.
    """
    first, *others = site.path or (None,)
    bounds = (np.array([n >> site.coarser]) for n in (site.sums.low, site.sums.high))
    anything = Sums(np.array([0]), np.array([1]), *bounds)
    kernel = None if first is None else first.attributes.get("kernel")
    biases = [step.attributes for step in others if step.operation == "add_constant"]
    if kernel is None or len(biases) > 1:
        return anything
    axis = CHANNELS[first.operation]
    weights = np.moveaxis(kernel.codes, axis, 0).reshape(kernel.codes.shape[axis], -1)
    base = np.zeros(len(weights), np.int64)
    if biases:
        if any(biases[0]["shifts"]) or biases[0]["constant"].codes.size != len(base):
            return anything
        base = biases[0]["constant"].codes.ravel()
    source = program.tensors[first.inputs[0]]
    most = magnitudes(kernel.codes, axis) * max(-source.low, source.high)
    sums = base, np.gcd.reduce(weights, axis=1), base - most, base + most
    return Sums(*(values[site.channels] for values in sums))


def as_written(site: Site, sums: Sums) -> Site:
    """Return a site with the rules by which engines round the files that are written.

    Where all sums are odd, TFLM rounds a LiteRT file once, see `engines.litert.single_rounding`.
    """
    if not (sums.odd and site.shift in SHIFTS):
        return site
    rules = ("half_away" if rule == "double" else rule for rule in site.rules)
    return replace(site, rules=tuple(dict.fromkeys(rules)))


def can_differ(site: Site, sums: Sums) -> bool:
    """Return whether the rules of a site give different codes for a sum that can occur."""
    if not site.rounds or len(site.rules) == 1:
        return False
    critical = _critical(site)
    return critical is None or sums.hold(critical[site.differ(critical)])


def _critical(site: Site) -> np.ndarray | None:
    """Return the sums near ties, or all sums of an average; None if they are too many.

    All rules round to the nearest code, and none moves a sum by more than one before it rounds.
    """
    attributes, low, high = site.step.attributes, site.sums.low, site.sums.high
    if np.any(attributes["divisor"] != 1):
        is_many = high - low > MOST or np.ndim(attributes["divisor"])
        return None if is_many else np.arange(low, high + 1)
    unit = 1 << site.shift
    ties = np.arange(attributes["low"] - 1, attributes["high"] + 1) * unit + unit // 2
    return (ties[:, None] + np.arange(-2, 3)).ravel()
