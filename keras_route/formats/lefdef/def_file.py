"""A DEF file as its heads and sections, complete: all counts hold, and all ends are there."""

import dataclasses
import os
from collections.abc import Mapping

from keras_route.formats.lefdef.statements import (
    Source,
    Statement,
    mistake,
    read_source,
    statements,
)

COUNTED = {
    *("VIAS", "STYLES", "NONDEFAULTRULES", "REGIONS", "COMPONENTMASKSHIFTS", "COMPONENTS", "PINS"),
    *("PINPROPERTIES", "BLOCKAGES", "SLOTS", "FILLS", "SPECIALNETS", "NETS", "SCANCHAINS"),
    *("GROUPS", "CONSTRAINTS", "ASSERTIONS", "IOTIMINGS"),
}
HEADS = {
    *("VERSION", "DIVIDERCHAR", "BUSBITCHARS", "DESIGN", "TECHNOLOGY", "UNITS", "DIEAREA", "ROW"),
    *("TRACKS", "GCELLGRID", "HISTORY", "NAMESCASESENSITIVE", "ARRAY", "FLOORPLAN"),
    "COMPONENTMASKSHIFT",
}
LARGEST_UNITS = 10**6


@dataclasses.dataclass
class Section:
    """A section of a DEF file.

    Args:
        start: its place in the text: that of the count.
        stated: the number of its items, as its head says.
        items: its statements, which start with a dash.
    """

    start: int
    stated: int | None
    items: list[Statement] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class DefFile:
    """A DEF file.

    Args:
        source: its text.
        heads: statements outside of sections, by their first word.
        sections: by their name.
    """

    source: Source
    heads: Mapping[str, list[Statement]]
    sections: Mapping[str, Section]

    def items(self, section: str) -> list[Statement]:
        """Return the items of a section; none if the file lacks it."""
        found = self.sections.get(section)
        return found.items if found else []

    @property
    def name(self) -> str:
        """The name of the design."""
        statement = self.heads["DESIGN"][0]
        return statement.word(1, "the name of the design")

    @property
    def dbu_per_um(self) -> int:
        """Database units in a micrometre."""
        statement = self.heads["UNITS"][0]
        words = statement.words
        value = (
            int(words[3]) if len(words) == 4 and words[3].isdecimal() and len(words[3]) < 9 else 0
        )
        if words[1:3] != ["DISTANCE", "MICRONS"] or not 0 < value <= LARGEST_UNITS:
            raise statement.error(
                "The units of a DEF file are UNITS DISTANCE MICRONS and a whole number from 1 to "
                f"{LARGEST_UNITS}: correct them."
            )
        return value


def read_file(path: str | os.PathLike) -> DefFile:
    """Return the parts of a DEF file.

    Raises:
        ValueError: the file is cut short, the number of items of a section is not what its head
            says, a section is there twice, or a statement is none of DEF.
    """
    source = read_source(path)
    walk = _Walk(source)
    for statement in statements(source):
        walk.read(statement)
    walk.finish()
    return DefFile(source, walk.heads, walk.sections)


class _Walk:
    def __init__(self, source):
        self.source = source
        self.heads: dict[str, list[Statement]] = {}
        self.sections: dict[str, Section] = {}
        self.open: str | None = None
        self.extension = self.ended = False

    def read(self, statement):
        words, i = statement.words, 0
        while i < len(words):
            if self.extension:
                self.extension = words[i] != "ENDEXT"
                i += 1
            elif words[i] == "BEGINEXT":
                self.extension = True
                i += 1
            elif self.ended:
                raise statement.error(
                    "A DEF file ends with END DESIGN: remove what follows.", " ".join(words[i:][:9])
                )
            elif words[i] == "END":
                self._end(statement, i)
                i += 2
            elif words[i] == "PROPERTYDEFINITIONS" and self.open is None:
                self._start(statement, words[i], None)
                i += 1
            else:
                self._keep(statement, words[i:] if i else words)
                return

    def _keep(self, statement, words):
        statement = statement._replace(words=words) if words is not statement.words else statement
        if self.open == "PROPERTYDEFINITIONS":
            return
        if self.open:
            if words[0] != "-" or len(words) < 2:
                raise statement.error(
                    f"The items of {self.open} start with a dash and a name, and the section ends "
                    f"with END {self.open}: correct it."
                )
            self.sections[self.open].items.append(statement)
        elif words[0] in COUNTED:
            stated = words[1] if len(words) == 2 else ""
            if not (stated.isdecimal() and len(stated) < 10):
                raise statement.error(
                    "The head of a section is its name and the number of its items: correct it."
                )
            self._start(statement, words[0], int(stated))
        elif words[0] in HEADS:
            self.heads.setdefault(words[0], []).append(statement)
        else:
            raise self._foreign(statement, words[0])

    def _foreign(self, statement, word):
        missing = [name for name in ("DESIGN", "UNITS", "DIEAREA") if name not in self.heads]
        if len(missing) == 3:
            return self._headless()
        return statement.error(
            "A DEF file consists of sections such as NETS, and of statements such as TRACKS: "
            "correct or remove what is none of them.",
            repr(word),
        )

    def _start(self, statement, name, stated):
        if name in self.sections:
            raise statement.error(
                "A section of a DEF file is there once: join the two, with one count.", name
            )
        self.sections[name] = Section(statement.start, stated)
        self.open = name

    def _end(self, statement, i):
        name = statement.word(i + 1, "the name of what ends")
        if self.open is None and name == "DESIGN":
            self.ended = True
            return
        if name != self.open:
            expected = f"END {self.open}" if self.open else "END DESIGN"
            raise statement.error(
                f"What starts ends under its own name, here with {expected}: correct it.",
                f"END {name}",
            )
        section = self.sections[name]
        if section.stated not in (None, len(section.items)):
            raise self._count(name, section)
        self.open = None

    def _count(self, name, section):
        return mistake(
            self.source,
            section.start,
            f"A section has as many items as its head says: copy the file again, or correct the "
            f"head of {name}.",
            f"{name} {section.stated}, and {len(section.items)} items",
        )

    def finish(self):
        """Check that the file is complete."""
        if self.open:
            section = self.sections[self.open]
            stated = "" if section.stated is None else f" {section.stated}"
            raise mistake(
                self.source,
                section.start,
                f"A DEF file is complete up to END DESIGN, and this one ends within {self.open}: "
                "copy the file again.",
                f"{self.open}{stated}, {len(section.items)} items, and then the end of the file",
            )
        if not all(name in self.heads for name in ("DESIGN", "UNITS", "DIEAREA")):
            raise self._headless()
        for name in ("DESIGN", "UNITS", "DIEAREA"):
            if len(self.heads[name]) > 1:
                raise self.heads[name][1].error(f"{name} is there once: remove one of the two.")
        if not self.ended:
            raise mistake(
                self.source,
                len(self.source.plain),
                "A DEF file is complete up to END DESIGN: copy the file again.",
                f"the sections {', '.join(self.sections) or 'none'}, and then the end of the file",
            )

    def _headless(self):
        found = [name for name in ("DESIGN", "UNITS", "DIEAREA") if name in self.heads]
        return ValueError(
            "A DEF file states DESIGN, UNITS and DIEAREA: write it out of a placed design. "
            f"Received: path={self.source.path!r}, which states {', '.join(found) or 'none'}"
        )
