"""The nets of `NETS` of a DEF file: what they connect, and how."""

import dataclasses

from keras_route.formats.lefdef.def_file import DefFile
from keras_route.formats.lefdef.statements import Statement
from keras_route.formats.lefdef.wiring import net_options

SUPPLY = (["POWER"], ["GROUND"])


@dataclasses.dataclass(frozen=True)
class NetItem:
    """A net of a DEF file.

    Args:
        statement: which states it.
        pins: its (component, pin) pairs, each once.
        options: what follows them, without `+`.
    """

    statement: Statement
    pins: tuple[tuple[str, str], ...]
    options: list[list[str]]

    @property
    def supply(self) -> bool:
        """Whether the net is power or ground, which nobody routes here."""
        return any(option[0] == "USE" and option[1:2] in SUPPLY for option in self.options)


def net_items(file: DefFile) -> dict[str, NetItem]:
    """Return the nets by name.

    Raises:
        ValueError: a net is there twice, or a pin is in two nets.
    """
    found: dict[str, NetItem] = {}
    owners: dict[tuple[str, str], str] = {}
    for statement in file.items("NETS"):
        name = statement.words[1]
        if name in found:
            raise statement.error(
                "Each net has one entry of its own: join the two, or rename one.",
                f"net {name} for the second time",
            )
        pins, end = _connections(statement)
        for pin in pins:
            if owners.setdefault(pin, name) != name:
                raise statement.error(
                    "Each pin belongs to one net: correct one of the two nets.",
                    f"( {' '.join(pin)} ) of net {name}, which is one of net {owners[pin]}, too",
                )
        options = net_options(statement, statement.words[end:])
        found[name] = NetItem(statement, pins, options)
    return found


def _connections(statement):
    """Return the pins of a net, and where its options start."""
    words, i = statement.words, 2
    found: dict[tuple[str, str], None] = {}
    while i < len(words) and words[i] != "+":
        synthesized = words[i + 3 : i + 5] == ["+", "SYNTHESIZED"]
        end = i + (5 if synthesized else 3)
        if words[i] != "(" or words[end : end + 1] != [")"] or words[i + 1] == "*":
            raise statement.error(
                "A pin of a net is ( component pin ) or ( PIN name ): correct it.",
                f"{' '.join(words[i : i + 4])} of net {words[1]}",
            )
        found[words[i + 1], words[i + 2]] = None
        i = end + 1
    return tuple(found), i
