"""Where an engine rounds otherwise than the target, told from the engine's own codes in front."""

import numpy as np

from keras_alt.integer import Reading
from keras_alt.proving import Batch
from keras_alt.ties import FurtherExplanation, TieSearch


class LocalRules:
    """Searches the rules of an engine, one search for each kind of rounding.

    A difference in an early layer reaches all layers behind it. So the codes of a layer are
    computed from the codes that the engine has in front of it. If the rules of the target give
    others than the engine has, the engine rounds otherwise there. The first batch in which codes
    differ from those of Keras tells the first such layer of each kind. It and all later batches
    tell the rule.

    Attributes:
        searches: `{operations that are rounded: search}`, empty as long as nothing differs.
    """

    def __init__(self, reading: Reading):
        self.program, self.taps = reading.program, dict.fromkeys(reading.taps.values())
        self.searches: dict[tuple[str, ...], TieSearch] = {}
        self.differs = False

    def add(self, batch: Batch):
        """Look at a batch that an engine has computed."""
        inputs = zip(self.program.inputs, batch.quantized, strict=True)
        codes = {**dict(inputs), **{p: batch.computed[p] for p in self.taps if p in batch.computed}}
        if not self.differs:
            self.differs = any(
                np.any(expected != codes[p]) for p, expected in batch.expected.items() if p in codes
            )
            if self.differs:
                self._choose(codes)
        for search in self.searches.values():
            search.add(codes, search.expected(codes), codes[search.position])

    def _choose(self, codes):
        """Set `searches`: for each kind, the first layer whose own rounding differs."""
        for position in self.taps:
            if position not in codes or position in self.program.inputs:
                continue
            search = TieSearch(self.program, position, codes)
            kind = tuple(dict.fromkeys(search.operations))
            if kind in self.searches or not (kind and search.operands <= codes.keys()):
                continue
            if np.any(search.expected(codes) != codes[position]):
                self.searches[kind] = search

    def explanations(self, engine: str) -> list[FurtherExplanation]:
        """Return what was found, in the order of computation."""
        order = list(self.taps)
        searches = sorted(self.searches.values(), key=lambda s: order.index(s.position))
        return [FurtherExplanation(**vars(search.explanation(engine))) for search in searches]
