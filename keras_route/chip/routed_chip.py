"""The routed nets of a design: lengths, vias, and files."""

import dataclasses
import os
from collections.abc import Mapping

import numpy as np

from keras_route.formats.lefdef import write_routed
from keras_route.layout.design import Design, Wires


@dataclasses.dataclass(frozen=True)
class RoutedChip:
    """A design and the wires that were found for it.

    Args:
        design: the placed design.
        wires: of the routed nets.
        routed: names of the routed nets.
        not_routed: name of each net without wires, to the reason. Nets with fewer than two pins
            need none, and are in neither.
        tree_um: length of short trees that join the pins of the routed nets, without regard to
            other nets, in micrometres: what the wires would be at best, within about 1 %.
        seconds: of the search.
    """

    design: Design
    wires: Wires
    routed: tuple[str, ...]
    not_routed: Mapping[str, str]
    tree_um: float
    seconds: float

    @property
    def length_um(self) -> float:
        """Length of all wires in micrometres."""
        return sum(self.lengths_um.values())

    @property
    def lengths_um(self) -> dict[str, float]:
        """Length of the wires of each metal in micrometres."""
        wires = self.wires.wires
        length = wires[:, 4] - wires[:, 2] + wires[:, 5] - wires[:, 3]
        metals = self.design.technology.metals
        sums = np.bincount(wires[:, 1], weights=length, minlength=len(metals))
        return {
            metal.name: total / self.design.dbu_per_um
            for metal, total in zip(metals, sums.tolist(), strict=True)
        }

    @property
    def via_counts(self) -> dict[str, int]:
        """Number of vias of each layer of cuts, those to the pins included."""
        technology = self.design.technology
        counts = {cut.name: 0 for cut in technology.cuts}
        kinds = np.bincount(self.wires.vias[:, 1], minlength=len(technology.vias))
        for via, count in zip(technology.vias, kinds.tolist(), strict=True):
            for layer in counts.keys() & via.boxes_um.keys():
                counts[layer] += count
        return counts

    def metrics(self) -> dict[str, float]:
        """Return figures by the names that open flows use, lengths in micrometres."""
        lengths = {f"route__wirelength__layer:{k}": v for k, v in self.lengths_um.items()}
        vias = {f"route__vias__layer:{k}": v for k, v in self.via_counts.items()}
        return {
            "route__nets": len(self.routed) + len(self.not_routed),
            "route__nets__routed": len(self.routed),
            "route__wirelength": self.length_um,
            **lengths,
            "route__wirelength__trees": self.tree_um,
            "route__vias": len(self.wires.vias),
            **vias,
            "route__seconds": self.seconds,
        }

    def report(self) -> str:
        """Return what was routed, in lines of text."""
        total = len(self.routed) + len(self.not_routed)
        ratio = f", {self.length_um / self.tree_um:.4f} of short trees" if self.tree_um else ""
        lengths = [f"{name} {um:.0f}" for name, um in self.lengths_um.items() if um]
        vias = [f"{name} {count}" for name, count in self.via_counts.items() if count]
        return "\n".join(
            [
                f"{len(self.routed)} of {total} nets are routed, in {self.seconds:.1f} s",
                f"length: {self.length_um:.0f} um{ratio}; {', '.join(lengths) or 'none'}",
                f"vias: {len(self.wires.vias)}; {', '.join(vias) or 'none'}",
                *(f"not routed: {name}: {why}" for name, why in self.not_routed.items()),
            ]
        )

    def write_def(self, placed: str | os.PathLike, path: str | os.PathLike) -> None:
        """Write the DEF file of the placed design again, with the wires, see `write_routed`.

        Args:
            placed: the DEF file that the design was read from.
            path: the file to write.
        """
        write_routed(placed, path, self.wires, self.design)
