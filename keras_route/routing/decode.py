"""The best-scoring route with a single trunk, for many nets at once."""

import numpy as np

from keras_route.pins import PinSets
from keras_route.technology.layers import LAYERS, METALS

# The choices of metals (trunk, leg) that the published layout rule knows, by the direction of the
# trunk: a trunk along a line and a leg from each pin to it lie on neighbouring metals.
HORIZONTAL = (("m4", "m3"), ("m4", "m5"), ("m6", "m5"))
VERTICAL = tuple((leg, trunk) for trunk, leg in HORIZONTAL)
BLOCK = 256


def decode(log_odds: np.ndarray, pins: PinSets) -> np.ndarray:
    """Return for each net the legal single-trunk route with the largest sum of log-odds.

    The sum goes over the pixels of the route's metals and vias. The candidates are trunks in both
    directions, on every line, in every pair of metals that the layout rule knows. Pins on one line
    have a trunk only, on that line. Every candidate joins all pins, and the route that the layout
    rule draws is one of them.

    Args:
        log_odds: array (N, height, width, 8), score of on minus score of off, layers in the order
            of `LAYERS`. The pin channel is not read.
        pins: N nets inside the window, each with two different pins or more.

    Returns:
        uint8 array (N, height, width, 8), the label images, with the pins given.
    """
    log_odds = np.asarray(log_odds)
    labels = np.zeros(log_odds.shape, "uint8")
    for start in range(0, len(log_odds), BLOCK):
        stop = start + BLOCK
        _decode(log_odds[start:stop], pins.part(start, stop), labels[start:stop])
    return labels


def _decode(log_odds, pins, labels):
    x, y = _padded(pins)
    labels[np.arange(len(pins))[:, None], y, x, LAYERS.index("pin")] = 1
    height, width = log_odds.shape[1:3]
    trunks = [
        _Trunks(HORIZONTAL, x, y, height, width),
        _Trunks(VERTICAL, y, x, width, height),
    ]
    images = (log_odds, log_odds.swapaxes(1, 2))
    scores = [trunk.scores(image) for trunk, image in zip(trunks, images, strict=True)]
    best = np.concatenate([s.reshape(len(pins), -1) for s in scores], axis=1).argmax(axis=1)
    upright = best >= scores[0][0].size
    for trunk, view, chosen, offset in (
        (trunks[0], labels, ~upright, 0),
        (trunks[1], labels.swapaxes(1, 2), upright, scores[0][0].size),
    ):
        nets = np.flatnonzero(chosen)
        trunk.draw(view, nets, *np.divmod(best[nets] - offset, trunk.lines))


def _padded(pins):
    """Return x and y of the pins of each net, (N, most pins), the first pin repeated."""
    place = np.arange(pins.counts.max())
    index = pins.first[:, None] + np.where(place < pins.counts[:, None], place, 0)
    return pins.x[index], pins.y[index]


class _Trunks:
    """All trunks in one direction; a trunk is called a row here, and legs are parts of columns.

    Args:
        metals: (trunk, leg) names of each choice.
        column: column of each pin, (N, P).
        row: row of each pin, (N, P).
        lines: rows of the window.
        length: columns of the window.
    """

    def __init__(self, metals, column, row, lines, length):
        self.channels = [(METALS[t].channel, METALS[leg].channel) for t, leg in metals]
        self.column, self.lines = column, lines
        where = np.arange(length)
        self.span = (where >= column.min(axis=1)[:, None]) & (where <= column.max(axis=1)[:, None])
        self.bent = np.ptp(row, axis=1) > 0  # the pins are not all on one row
        self.possible = np.ptp(column, axis=1) > 0
        self.row = row[:, 0]
        # Pins on one column share a leg: the first of them owns it.
        same = column[:, :, None] == column[:, None, :]
        self.owner = same.argmax(axis=2) == np.arange(column.shape[1])
        self.top = np.where(same, row[:, None, :], lines).min(axis=2)
        self.bottom = np.where(same, row[:, None, :], -1).max(axis=2)

    def legs(self, nets, line):
        """Return the first and last row of each leg from a pin to `line`, (nets, P, lines)."""
        top, bottom = self.top[nets], self.bottom[nets]
        return np.minimum(top[..., None], line), np.maximum(bottom[..., None], line)

    def scores(self, image):
        """Return the sum of log-odds of each choice of metals on each line, (N, metals, lines)."""
        nets = np.arange(len(image))
        trunk = np.einsum("nlkc,nk->cnl", image, self.span, dtype="float64")
        columns = image[nets[:, None], :, self.column].astype("float64")  # (N, P, lines, 8)
        columns *= self.owner[..., None, None]
        sums = np.zeros((columns.shape[0], columns.shape[1], self.lines + 1, len(LAYERS)))
        np.cumsum(columns, axis=2, out=sums[:, :, 1:])
        first, last = self.legs(nets, np.arange(self.lines))
        pin = np.arange(self.column.shape[1])[:, None]
        net = nets[:, None, None]
        legs = sums[net, pin, last + 1] - sums[net, pin, first]
        legs, vias = legs.sum(axis=1), columns.sum(axis=1)
        bent = self.bent[:, None]
        scores = np.stack(
            [trunk[t] + bent * (legs[..., g] + vias[..., (t + g) // 2]) for t, g in self.channels],
            axis=1,
        )
        allowed = bent | (np.arange(self.lines) == self.row[:, None])
        return np.where((allowed & self.possible[:, None])[:, None], scores, -np.inf)

    def draw(self, labels, nets, metals, line):
        """Draw for each of `nets` the trunk on its `line` with its choice of `metals`."""
        trunk, leg = np.array(self.channels)[metals].T
        labels[nets, line, :, trunk] = self.span[nets]
        bent = self.bent[nets]
        nets, line, trunk, leg = nets[bent], line[bent], trunk[bent], leg[bent]
        rows = np.arange(self.lines)
        first, last = self.legs(nets, line[:, None, None])
        legs = (first <= rows) & (rows <= last)
        for pin, column in enumerate(self.column[nets].T):
            labels[nets, :, column, leg] = legs[:, pin]
            labels[nets, line, column, (trunk + leg) // 2] = 1
