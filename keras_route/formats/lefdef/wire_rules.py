"""Widths of wires by their rules, and layers of vias."""

from keras_route.formats.lefdef.def_file import DefFile
from keras_route.formats.lefdef.instances import ViaPlaces
from keras_route.formats.lefdef.library import Library
from keras_route.formats.lefdef.statements import Statement
from keras_route.formats.lefdef.vias import split_options
from keras_route.technology.technology import Technology


class WireRules:
    """What the paths of nets need to know.

    Args:
        library: with rules for widths other than the default.
        file: with its own.
        technology: with the default widths.
        vias: of both.
    """

    def __init__(self, library: Library, file: DefFile, technology: Technology, vias: ViaPlaces):
        self.vias, self.names = vias, technology.layer_names
        self.usual = {m.name: round(m.width_um * file.dbu_per_um) for m in technology.metals}
        self.rules = {
            rule: {layer: round(width * file.dbu_per_um) for layer, width in widths.items()}
            for rule, widths in library.rules.items()
        }
        for statement in file.items("NONDEFAULTRULES"):
            self.rules[statement.words[1]] = _widths(statement)

    def width(self, statement: Statement, layer: str, rule: str | None) -> int:
        """Return the width of wires on a layer by a rule; None for the default rule."""
        if layer not in self.usual:
            raise statement.error(
                "Wires run on routing layers of the LEF files: add the file that has the layer.",
                f"layer {layer} of net {statement.words[1]}",
            )
        if rule is None:
            return self.usual[layer]
        if rule not in self.rules:
            raise statement.error(
                "The rule of a wire is a NONDEFAULTRULE of the LEF files or of the DEF file: add "
                "the file that has it.",
                f"rule {rule!r} of net {statement.words[1]}",
            )
        return self.rules[rule].get(layer, self.usual[layer])

    def across(self, statement: Statement, via: str, layer: str) -> str:
        """Return the metal at the other end of a via."""
        layers = [i for i, _ in self.vias.of(via, statement) if i >= 0]
        ends = {self.names[i] for i in (min(layers, default=0), max(layers, default=0))}
        if layer not in ends or len(ends) != 2:
            raise statement.error(
                "A via joins the layer of its wire to the next: correct the layer or the via.",
                f"via {via} on {layer} of net {statement.words[1]}",
            )
        return (ends - {layer}).pop()


def _widths(statement):
    found = {}
    for option in split_options(statement.words[2:]):
        if option[0] == "LAYER":
            if len(option) < 4 or option[2] != "WIDTH":
                raise statement.error("A rule has + LAYER name WIDTH number: correct it.")
            found[option[1]] = statement.integer(option[3])
    return found
