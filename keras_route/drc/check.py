"""The check of a routed DEF file against its LEF files."""

import dataclasses
import os
import re
from collections.abc import Mapping

from keras_route.drc.connectivity import net_pieces
from keras_route.drc.def_text import read_def_text
from keras_route.drc.flat_layout import read_flat
from keras_route.drc.geometry import geometry_violations
from keras_route.drc.lef_rules import lef_text, read_rules
from keras_route.drc.lengths import lengths_um
from keras_route.drc.violations import Open, Violation


@dataclasses.dataclass(frozen=True)
class RouteCheck:
    """What the check of a routed DEF file found.

    Args:
        design: name of the design.
        opens: nets whose pins are not all joined.
        violations: of routed wires.
        existing: violations that no routed wire is part of, such as those within cells.
        metrics: figures by name, such as `route__wirelength`; lengths are in micrometres.
        unchecked: `layer: rule` of rules in the LEF files that the check does not know.
    """

    design: str
    opens: tuple[Open, ...]
    violations: tuple[Violation, ...]
    existing: tuple[Violation, ...]
    metrics: Mapping[str, float]
    unchecked: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether all pins are joined, and no rule is broken by routed wires."""
        return not self.opens and not self.violations


def check_routed_def(path: str | os.PathLike, *lefs: str | os.PathLike) -> RouteCheck:
    """Check a routed DEF file by klayout.

    All shapes count as metal: wires, supply, pins, also of other nets or without a net,
    obstructions of cells and blockages.

    Args:
        path: the DEF file.
        *lefs: the LEF files of technology and cells.

    Raises:
        ImportError: klayout is not installed.
        ValueError: a file is incomplete, or files do not belong together.
    """
    text = read_def_text(path)
    rules = read_rules(lefs)
    flat = read_flat(path, lefs, text, [rule.name for rule in rules])
    pieces = list(net_pieces(flat))
    opens = tuple(_open(flat, net) for net in pieces if len(_with_pins(net)) > 1)
    violations = list(geometry_violations(flat, rules, _grid_um(lefs)))
    routed = tuple(violation for violation in violations if violation.routed)
    existing = tuple(violation for violation in violations if not violation.routed)
    return RouteCheck(
        text.design,
        opens,
        routed,
        existing,
        _metrics(flat, text, pieces, opens, routed, existing),
        tuple(f"{rule.name}: {word}" for rule in rules for word in rule.unknown),
    )


def _with_pins(net):
    return [index for index, pins in enumerate(net.pieces) if pins]


def _open(flat, net):
    scale = 1 / flat.dbu_per_um
    chosen = _with_pins(net)
    return Open(
        flat.net_names[net.net],
        tuple(tuple(flat.pins[pin] for pin in net.pieces[index]) for index in chosen),
        tuple(tuple(side * scale for side in net.boxes[index]) for index in chosen),
        net.metal,
    )


def _grid_um(lefs):
    for path in lefs:
        found = re.search(r"^\s*MANUFACTURINGGRID\s+(\S+)", lef_text(path), re.MULTILINE)
        if found:
            return float(found.group(1))
    return 0.0


def _metrics(flat, text, pieces, opens, routed, existing):
    nets = [net for net in pieces if sum(map(len, net.pieces)) > 1]
    metrics = {
        "route__nets": len(nets),
        "route__nets__connected": len(nets) - len(opens),
        "route__pins": sum(len(pins) for net in nets for pins in net.pieces),
        "route__pins__reached": sum(len(net.reached) for net in nets),
        "route__opens": len(opens),
        "route__islands": sum(not pins for net in pieces for pins in net.pieces),
        "route__shorts": sum(violation.rule == "short" for violation in routed),
        "route__drc_errors": len(routed),
    }
    for violation in routed:
        name = f"route__drc_errors__rule:{violation.rule.replace(' ', '_')}"
        metrics[name] = metrics.get(name, 0) + 1
    metrics["design__drc_errors__existing"] = len(existing)
    lengths = lengths_um(text.nets, text.dbu_per_um)
    metrics["route__wirelength"] = sum(sum(net.values()) for net in lengths.values())
    for layer in flat.layers[::2]:
        length = sum(net.get(layer, 0.0) for net in lengths.values())
        metrics[f"route__wirelength__layer:{layer}"] = length
    metrics["route__vias"] = sum(flat.via_counts.values())
    for layer in flat.layers[1::2]:
        metrics[f"route__vias__layer:{layer}"] = flat.via_counts.get(layer, 0)
    return metrics
