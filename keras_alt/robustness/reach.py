"""Which sums an operation can give, for all inputs, and which of them engines round differently."""

from dataclasses import dataclass, replace

import numpy as np

from keras_alt.engines.litert.single_rounding import factors
from keras_alt.integer import Program
from keras_alt.integer.sum_widths import CHANNELS
from keras_alt.robustness.sites import Site, shifts_of_channels

MOST = 2**22  # sums that are tried one by one


@dataclass(frozen=True)
class Sums:
    """The sums of each channel: `base + multiple * n` between `low` and `high`, arrays."""

    base: np.ndarray
    multiple: np.ndarray
    low: np.ndarray
    high: np.ndarray

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
    weights, bias = _weights(site), _bias(site)
    if weights is None or bias is None:
        bounds = (np.array([n >> site.coarser]) for n in (site.sums.low, site.sums.high))
        return Sums(np.array([0]), np.array([1]), *bounds)
    source = program.tensors[site.path[0].inputs[0]]
    most = np.abs(weights).sum(axis=1) * max(-source.low, source.high)
    sums = bias, np.gcd.reduce(weights, axis=1), bias - most, bias + most
    return Sums(*(values[site.channels] for values in sums))


def _weights(site: Site) -> np.ndarray | None:
    """Return the weights of each channel of the kernel in front of a site, None without kernel."""
    kernel = site.path[0].attributes.get("kernel") if site.path else None
    if kernel is None:
        return None
    axis = CHANNELS[site.path[0].operation]
    return np.moveaxis(kernel.codes, axis, 0).reshape(kernel.codes.shape[axis], -1)


def _bias(site: Site) -> np.ndarray | None:
    """Return the bias of each channel on the grid of the products, None if it lies on another."""
    channels = site.sums.shape[-1]
    biases = [step.attributes for step in site.path if step.operation == "add_constant"]
    if not biases:
        return np.zeros(channels, np.int64)
    fits = len(biases) == 1 and not any(biases[0]["shifts"])
    codes = biases[0]["constant"].codes
    return codes.ravel() if fits and codes.size == channels else None


def as_written(site: Site) -> Site:
    """Return a site with the rules by which engines round the files that are written.

    TFLM rounds sums once where `engines.litert.single_rounding` lowers the scale of a kernel.
    """
    weights, bias = _weights(site), _bias(site)
    if weights is None or bias is None:
        return site
    kernel, shifts = site.path[0].attributes["kernel"], site.step.attributes["shift"]
    if kernel.shifts is not None:
        shifts = shifts - shifts_of_channels(kernel, len(bias))
    if np.any(factors(weights, 0, bias, shifts)[site.channels] == 1.0):
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
