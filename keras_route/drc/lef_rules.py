"""The rules of LEF files that the check knows, and the names of those that it does not know."""

import dataclasses
import gzip
import os
import re
from collections.abc import Sequence

from keras_route.technology.technology import SpacingTable

HARMLESS = {
    *("TYPE", "WIDTH", "MINWIDTH", "MAXWIDTH", "PITCH", "DIAGPITCH", "OFFSET", "DIRECTION"),
    *("RESISTANCE", "CAPACITANCE", "EDGECAPACITANCE", "THICKNESS", "HEIGHT", "WIREEXTENSION"),
    *("AREA", "MASK", "CPERSQDIST", "ACCURRENTDENSITY", "DCCURRENTDENSITY", "SHRINKAGE"),
    *("CAPMULTIPLIER", "ANTENNAMODEL", "ANTENNAAREARATIO", "ANTENNADIFFAREARATIO"),
    *("ANTENNACUMAREARATIO", "ANTENNACUMDIFFAREARATIO", "ANTENNAAREAFACTOR"),
    *("ANTENNASIDEAREARATIO", "ANTENNADIFFSIDEAREARATIO", "ANTENNASIDEAREAFACTOR"),
    *("ANTENNACUMSIDEAREARATIO", "ANTENNACUMDIFFSIDEAREARATIO", "ANTENNAGATEPLUSDIFF"),
    *("MINIMUMDENSITY", "MAXIMUMDENSITY", "DENSITYCHECKWINDOW", "DENSITYCHECKSTEP"),
}


@dataclasses.dataclass(frozen=True)
class LayerRules:
    """The rules of a layer.

    Args:
        name: of the layer.
        cut: whether it has cuts; else it is a routing layer.
        width_um: least width of metal, or width of a cut; 0 if the file does not say.
        spacing: between shapes; None without such a rule.
        area_um2: least area of a shape; 0 without such a rule.
        unknown: first words of rules that are not checked.
    """

    name: str
    cut: bool
    width_um: float
    spacing: SpacingTable | None
    area_um2: float
    unknown: tuple[str, ...]


def read_rules(lefs: Sequence[str | os.PathLike]) -> tuple[LayerRules, ...]:
    """Return the rules of the routing and cut layers of LEF files, from below.

    Cut layers below the lowest routing layer are left out.

    Raises:
        ValueError: the files have no routing layer.
    """
    found = {}
    for path in lefs:
        for name, body in re.findall(
            r"^\s*LAYER\s+(\S+)\s*\n(.*?)^\s*END\s+\1\b", lef_text(path), FLAGS
        ):
            rules = _layer(name, body)
            if rules is not None:
                found[name] = rules
    layers = tuple(found.values())
    while layers and layers[0].cut:
        layers = layers[1:]
    if not layers:
        raise ValueError(
            "LEF files must have a routing layer: give the technology's LEF file, too. "
            f"Received: lefs={[os.fspath(path) for path in lefs]}"
        )
    return layers


FLAGS = re.DOTALL | re.MULTILINE


def lef_text(path: str | os.PathLike) -> str:
    """Return the text of a LEF file without comments; a name that ends in `.gz` is unpacked."""
    opened = gzip.open if os.fspath(path).endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        return re.sub(r"#[^\n]*", "", file.read())


def _layer(name, body):
    statements = [words for text in body.split(";") if (words := text.split())]
    values = {}
    for words in statements:
        values.setdefault(words[0], []).append(words[1:])
    kind = values.get("TYPE", [["?"]])[0][0]
    if kind not in ("ROUTING", "CUT"):
        return None
    width = values.get("MINWIDTH") or values.get("WIDTH") or [["0"]]
    spacing, unknown = None, [word for word in values if word not in HARMLESS]
    for words in values.get("SPACING", []):
        if len(words) == 1 and (spacing is None or float(words[0]) > spacing.spaces_um[0][0]):
            spacing = SpacingTable.uniform(float(words[0]))
    if all(len(words) == 1 for words in values.get("SPACING", [])):
        unknown = [word for word in unknown if word != "SPACING"]
    for words in values.get("SPACINGTABLE", []):
        if words[0] == "PARALLELRUNLENGTH" and "INFLUENCE" not in words:
            spacing = _table(words)
            unknown = [word for word in unknown if word != "SPACINGTABLE"]
    area = float(values.get("AREA", [["0"]])[0][0])
    return LayerRules(name, kind == "CUT", float(width[0][0]), spacing, area, tuple(unknown))


def _table(words):
    rows = " ".join(words[1:]).split("WIDTH")
    lengths = tuple(float(word) for word in rows[0].split())
    numbers = [[float(word) for word in row.split()] for row in rows[1:]]
    return SpacingTable(
        tuple(row[0] for row in numbers), lengths, tuple(tuple(row[1:]) for row in numbers)
    )
