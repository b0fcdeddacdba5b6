"""What klayout's reader leaves out of a DEF file: pins of nets, nets of vias, centre lines."""

import dataclasses
import gzip
import os
import re

FLAGS = re.DOTALL | re.MULTILINE
WIRING = ("ROUTED", "FIXED", "COVER", "NOSHIELD", "SHIELD")
Pin = tuple[str, str]  # component, pin; the component of a pin of the design is "PIN"


@dataclasses.dataclass(frozen=True)
class RoutedNet:
    """A net of a DEF file.

    Args:
        name: of the net.
        pins: that it joins; the component `*` stands for all.
        lines: (layer, x0, y0, x1, y1) of the centre lines of its wires, in database units.
        vias: (name, x, y).
        special: whether it is in `SPECIALNETS`.
    """

    name: str
    pins: tuple[Pin, ...]
    lines: tuple[tuple[str, int, int, int, int], ...]
    vias: tuple[tuple[str, int, int], ...]
    special: bool


@dataclasses.dataclass(frozen=True)
class DefText:
    """What a DEF file says of nets.

    Args:
        design: its name.
        dbu_per_um: database units in a micrometre.
        nets: the nets, then the special nets.
    """

    design: str
    dbu_per_um: int
    nets: tuple[RoutedNet, ...]


def read_def_text(path: str | os.PathLike) -> DefText:
    """Read the nets of a DEF file.

    Raises:
        ValueError: the file has no units or no end, or a section has another number of items than
            it says.
    """
    opened = gzip.open if os.fspath(path).endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        text = re.sub(r"#[^\n]*", "", file.read())
    units = re.search(r"^\s*UNITS\s+DISTANCE\s+MICRONS\s+(\d+)", text, FLAGS)
    if units is None or not re.search(r"^\s*END\s+DESIGN", text, FLAGS):
        raise ValueError(
            "A DEF file must have UNITS and END DESIGN; this one may be cut short. "
            f"Received: path={os.fspath(path)!r}"
        )
    design = re.search(r"^\s*DESIGN\s+(\S+)", text, FLAGS)
    nets = [_net(item, False) for item in _items(text, "NETS", path)]
    nets += [_net(item, True) for item in _items(text, "SPECIALNETS", path)]
    return DefText(
        design.group(1) if design else "",
        int(units.group(1)),
        tuple(nets),
    )


def _items(text, section, path):
    found = re.search(rf"^\s*{section}\s+(\d+)\s*;(.*?)^\s*END\s+{section}\b", text, FLAGS)
    if found is None:
        return []
    items = re.split(r"(?:^|;)\s*-\s", found.group(2))[1:]
    if len(items) != int(found.group(1)):
        raise ValueError(
            f"The section {section} must have as many items as it says. Received: "
            f"path={os.fspath(path)!r}, {found.group(1)} said, {len(items)} found"
        )
    return items


def _plain(name):
    return re.sub(r"\\(.)", r"\1", name)


def _net(item, special):
    words = re.sub(r'"[^"]*"', "", item).replace(";", " ").split()
    name, position, pins = _plain(words[0]), 1, []
    while position < len(words) and words[position] == "(":
        pins.append((_plain(words[position + 1]), _plain(words[position + 2])))
        position = words.index(")", position) + 1
    lines, vias = [], []
    statements = " ".join(words[position:]).split("+ ")
    for statement in statements:
        if statement.startswith("VIA "):  # special nets place vias without a path
            points = re.findall(r"\( (\S+) (\S+) \)", statement)
            vias += [(_plain(statement.split()[1]), int(x), int(y)) for x, y in points]
    for text in _wirings(statements):
        for path in re.split(r"\bNEW\b", text):
            _path(path.split(), special, lines, vias)
    return RoutedNet(name, tuple(pins), tuple(lines), tuple(vias), special)


def _wirings(statements):
    """Yield the texts of wiring statements, with the `+ SHAPE` of their paths taken out."""
    current = None
    for statement in statements:
        word, _, rest = statement.partition(" ")
        if word in WIRING:
            if current is not None:
                yield current
            current = rest.partition(" ")[2] if word == "SHIELD" else rest
        elif word in ("SHAPE", "STYLE") and current is not None:
            current += " " + rest.partition(" ")[2]
        elif current is not None:
            yield current
            current = None
    if current is not None:
        yield current


def _path(words, special, lines, vias):
    """Add the lines and vias of one path: layer, width if special, points and names of vias."""
    if not words:
        return
    layer, x, y, position = words[0], None, None, 2 if special else 1
    drawn = False  # whether a line leads on to the next point
    while position < len(words):
        word = words[position]
        if word == "(":
            end = words.index(")", position)
            to_x, to_y = words[position + 1 : position + 3]
            to_x, to_y = (
                x if to_x == "*" else int(float(to_x)),
                y if to_y == "*" else int(float(to_y)),
            )
            if drawn:
                lines.append((layer, min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)))
            x, y, position, drawn = to_x, to_y, end + 1, True
        elif word == "RECT":
            position = words.index(")", position) + 1
        elif word == "VIRTUAL":
            drawn = False
            position += 1
        elif word in ("TAPERRULE", "STYLE", "MASK"):
            position += 2
        elif word == "DO":
            nx, ny, dx, dy = (int(float(words[position + i])) for i in (1, 3, 5, 6))
            name, *_ = vias.pop()
            vias += [(name, x + i * dx, y + j * dy) for i in range(nx) for j in range(ny)]
            position += 7
        elif word in ("TAPER", "N", "S", "E", "W", "FN", "FS", "FE", "FW"):
            position += 1
        else:
            vias.append((_plain(word), x, y))
            position += 1
