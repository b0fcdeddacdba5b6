"""The layers of a LEF file as those of a technology."""

from keras_route.formats.lefdef.lef_blocks import Block
from keras_route.technology.technology import CutLayer, RoutingLayer, SpacingTable

DESCRIPTIONS = {  # no rules for wires
    *("TYPE", "DIRECTION", "PITCH", "WIDTH", "AREA", "OFFSET", "THICKNESS", "HEIGHT", "SHRINKAGE"),
    *("CAPACITANCE", "EDGECAPACITANCE", "CAPMULTIPLIER", "MASK", "RESISTANCE"),
    *("DIAGPITCH", "DIAGWIDTH", "DIAGSPACING"),
}
UNNEEDED = {"MASTERSLICE", "OVERLAP", "IMPLANT"}


def stack(blocks: list[Block]) -> tuple[list[RoutingLayer], list[CutLayer]]:
    """Return metals and the cuts between them, from below.

    Raises:
        ValueError: there are no metals, or two neighbours have not one layer of cuts between them.
    """
    metals: list[RoutingLayer] = []
    cuts: list[CutLayer] = []
    between: list[Block] = []
    for block in blocks:
        kind = _kind(block)
        if kind == "CUT" and metals:
            between.append(block)
        elif kind == "ROUTING":
            if metals and len(between) != 1:
                found = ", ".join(cut.name for cut in between) or "none"
                raise block.error(
                    "Two neighbouring routing layers have one layer of cuts between them: give the "
                    "LEF file of the technology, with its layers from below.",
                    f"{found} between {metals[-1].name} and {block.name}",
                )
            cuts += [_cut(cut) for cut in between]
            metals.append(_metal(block))
            between = []
    return metals, cuts


def unread_rules(block: Block) -> list[str]:
    """Return the rules of a layer that no router here follows, by the words that start them."""
    if _kind(block) in UNNEEDED:
        return []
    return [
        f"{block.name} {_rule(words)}"
        for words in (statement.words for statement in block.statements)
        if not (words[0] in DESCRIPTIONS or _is_read(words))
    ]


def _rule(words):
    if words[0] == "PROPERTY":
        return " ".join(words[:2])
    return " ".join([words[0], *(w for w in words[1:] if w.isalpha() and w.isupper())][:2])


def _is_read(words):
    if words[0] == "SPACINGTABLE":
        return words[1:2] == ["PARALLELRUNLENGTH"] and "INFLUENCE" not in words
    return words[0] == "SPACING" and len(words) == 2


def _kind(block):
    statement = block.first("TYPE")
    if statement is None:
        raise block.error("A layer of a LEF file states its TYPE: add it.")
    kind = statement.word(1, "a type")
    if kind not in {"ROUTING", "CUT", *UNNEEDED}:
        raise statement.error(
            f"The type of a layer is ROUTING, CUT, {', '.join(sorted(UNNEEDED))}: correct it."
        )
    return kind


def _metal(block):
    direction = block.first("DIRECTION")
    if direction is None or direction.words[1:2] not in (["HORIZONTAL"], ["VERTICAL"]):
        raise (direction or block).error(
            "The wires of a routing layer run HORIZONTAL or VERTICAL: state its DIRECTION so."
        )
    horizontal = direction.words[1] == "HORIZONTAL"
    pitches = _numbers(block, "PITCH")
    width = _numbers(block, "WIDTH")[0]
    if not (min(pitches) > 0 and width > 0):
        raise block.error("Pitch and width of a layer are more than 0: correct them.")
    area = block.first("AREA")
    return RoutingLayer(
        name=block.name,
        horizontal=horizontal,
        pitch_um=pitches[-1] if horizontal else pitches[0],
        width_um=width,
        spacing=_spacing(block),
        ohm_per_um=_ohm_per_square(block) / width,
        area_um2=0.0 if area is None else area.number(area.word(1, "a number")),
    )


def _cut(block):
    spaces = [s for s in block.statements if _is_read(s.words) and s.words[0] == "SPACING"]
    width, ohm = block.first("WIDTH"), block.first("RESISTANCE")
    return CutLayer(
        name=block.name,
        spacing_um=max((s.number(s.words[1]) for s in spaces), default=0.0),
        width_um=0.0 if width is None else width.number(width.word(1, "a number")),
        ohm=0.0 if ohm is None else ohm.number(ohm.word(1, "a number")),
    )


def _numbers(block, keyword):
    statement = block.first(keyword)
    if statement is None:
        raise block.error(f"A routing layer states its {keyword}: add it.")
    statement.word(1, "a number")
    return [statement.number(word) for word in statement.words[1:]]


def _ohm_per_square(block):
    statement = block.first("RESISTANCE")
    if statement is None:
        return 0.0
    if statement.words[1:2] != ["RPERSQ"]:
        raise statement.error("The resistance of a routing layer is RPERSQ: state it so.")
    return statement.number(statement.word(2, "a number"))


def _spacing(block):
    read = [s for s in block.statements if _is_read(s.words)]
    tables = [_table(s) for s in read if s.words[0] == "SPACINGTABLE"]
    plain = [s.number(s.words[1]) for s in read if s.words[0] == "SPACING"]
    if tables:
        return tables[0]
    if plain:
        return SpacingTable.uniform(max(plain))
    raise block.error(
        "A routing layer has a SPACING, or a SPACINGTABLE PARALLELRUNLENGTH: add one of them."
    )


def _table(statement):
    rows: list[list[float]] = [[]]
    for word in statement.words[2:]:
        if word == "WIDTH":
            rows.append([])
        else:
            rows[-1].append(statement.number(word))
    lengths, *rows = rows
    widths = [row[0] if row else -1.0 for row in rows]
    spaces = [row[1:] for row in rows]
    if (
        not (lengths and widths and lengths[0] == widths[0] == 0)
        or any(len(row) != len(lengths) for row in spaces)
        or sorted(set(lengths)) != lengths
        or sorted(set(widths)) != widths
    ):
        raise statement.error(
            "A SPACINGTABLE has increasing lengths from 0, increasing widths from 0, and behind "
            "each WIDTH a space for each length: correct it."
        )
    return SpacingTable(tuple(widths), tuple(lengths), tuple(map(tuple, spaces)))
