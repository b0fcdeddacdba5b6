"""The blocks of a LEF file: `MACRO name ... END name` and the like, within each other."""

import dataclasses
import os

from keras_route.formats.lefdef.statements import (
    Source,
    Statement,
    mistake,
    read_source,
    statements,
)

NAMED = {"LAYER", "VIA", "VIARULE", "MACRO", "SITE", "NONDEFAULTRULE", "ARRAY", "PIN", "FLOORPLAN"}
BARE = {"PORT", "OBS", "DENSITY"}  # `END` stands alone
INNER = {  # what opens a block within a block; elsewhere, the word starts a statement
    "LIBRARY": {"LAYER", "VIA", "VIARULE", "MACRO", "SITE", "NONDEFAULTRULE", "ARRAY"}
    | {"UNITS", "PROPERTYDEFINITIONS", "SPACING", "IRDROP", "NOISETABLE", "CORRECTIONTABLE"},
    "MACRO": {"PIN", "OBS", "DENSITY", "TIMING"},
    "PIN": {"PORT"},
    "NONDEFAULTRULE": {"LAYER", "VIA", "SPACING"},
    "ARRAY": {"FLOORPLAN"},
}
FLAGS = {"DEFAULT", "GENERATE", "GENERATED", "TOPOFSTACKONLY"}
STATEMENTS = {  # of a library
    *("VERSION", "NAMESCASESENSITIVE", "BUSBITCHARS", "DIVIDERCHAR", "MANUFACTURINGGRID"),
    *("USEMINSPACING", "CLEARANCEMEASURE", "FIXEDMASK", "MAXVIASTACK", "MINFEATURE", "DIELECTRIC"),
    *("NOWIREEXTENSIONATPIN", "UNIVERSALNOISEMARGIN", "EDGERATETHRESHOLD1"),
    *("EDGERATETHRESHOLD2", "EDGERATESCALEFACTOR", "INOUTPINANTENNASIZE", "INPUTPINANTENNASIZE"),
    *("OUTPUTPINANTENNASIZE", "ANTENNAINOUTDIFFAREA", "ANTENNAINPUTGATEAREA"),
    "ANTENNAOUTPUTDIFFAREA",
}


@dataclasses.dataclass
class Block:
    """A block of a LEF file.

    Args:
        keyword: its first word; that of a whole file is `LIBRARY`.
        name: its second word, if it has a name.
        source: its file.
        start: its place in the file.
        flags: words behind the name, such as `DEFAULT`.
        statements: those of the block itself.
        blocks: those within it.
    """

    keyword: str
    name: str
    source: Source
    start: int
    flags: list[str] = dataclasses.field(default_factory=list)
    statements: list[Statement] = dataclasses.field(default_factory=list)
    blocks: list["Block"] = dataclasses.field(default_factory=list)

    def error(self, expected: str, received: str | None = None) -> ValueError:
        """Return the error for what is wrong with the block."""
        return mistake(
            self.source, self.start, expected, received or f"{self.keyword} {self.name}".strip()
        )

    def of(self, keyword: str) -> list["Block"]:
        """Return the blocks of a keyword."""
        return [block for block in self.blocks if block.keyword == keyword]

    def first(self, keyword: str) -> Statement | None:
        """Return the first statement of a keyword."""
        return next((s for s in self.statements if s.words[0] == keyword), None)


def read_lef(path: str | os.PathLike) -> Block:
    """Return a LEF file as the block `LIBRARY`.

    Raises:
        ValueError: the file ends within a block, lacks `END LIBRARY`, or a block ends in another.
    """
    source = read_source(path)
    library = Block("LIBRARY", "LIBRARY", source, 0)
    walk = _Walk([library])
    for statement in statements(source):
        walk.read(statement)
    if walk.open:
        missing = f"END {walk.open[-1].name}".strip()
        raise walk.open[-1].error(
            f"A LEF file is complete up to END LIBRARY, and this one lacks {missing}: copy the "
            "file again, or end the block.",
            f"{len(library.blocks)} blocks, and then the end of the file within "
            f"{walk.open[-1].keyword} {walk.open[-1].name}",
        )
    return library


class _Walk:
    def __init__(self, blocks):
        self.open = blocks
        self.extension = False

    def read(self, statement):
        words, i = statement.words, 0
        while i < len(words):
            word = words[i]
            if self.extension:
                self.extension = word != "ENDEXT"
                i += 1
            elif word == "BEGINEXT":
                self.extension = True
                i += 1
            elif not self.open:
                raise statement.error(
                    "A LEF file ends with END LIBRARY: remove what follows.",
                    " ".join(words[i:][:9]),
                )
            elif word == "END":
                i = self._close(statement, i)
            elif word in INNER.get(self.open[-1].keyword, ()):
                i = self._open(statement, i)
            else:
                self._keep(statement, words[i:])
                return

    def _keep(self, statement, words):
        block = self.open[-1]
        if block.keyword == "LIBRARY" and words[0] not in STATEMENTS:
            raise statement.error(
                "A LEF file consists of blocks such as LAYER and MACRO, and of statements such as "
                "VERSION: correct or remove what is none of them.",
                repr(words[0]),
            )
        block.statements.append(statement._replace(words=words))

    def _open(self, statement, i):
        words, keyword = statement.words, statement.words[i]
        name, i = (statement.word(i + 1, "a name"), i + 2) if keyword in NAMED else (keyword, i + 1)
        block = Block(keyword, "" if keyword in BARE else name, statement.source, statement.start)
        while i < len(words) and words[i] in FLAGS:
            block.flags.append(words[i])
            i += 1
        self.open[-1].blocks.append(block)
        self.open.append(block)
        return i

    def _close(self, statement, i):
        block = self.open.pop()
        if block.keyword in BARE:
            return i + 1
        name = statement.word(i + 1, "the name of what ends")
        if name != block.name:
            raise statement.error(
                f"{block.keyword} {block.name} ends with END {block.name}: add it.", f"END {name}"
            )
        return i + 2
