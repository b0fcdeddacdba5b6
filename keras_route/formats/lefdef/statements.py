"""The statements of LEF and DEF files: text up to a semicolon, with its place in the file."""

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

# Neither alternative can look at a character more than once, for a quote without partner is the
# last of its text.
ASIDE = re.compile(r'"[^"]*"|(?<!\S)#[^\n]*')
WORD = re.compile(r"\S")
LARGEST = 2**31 - 1  # of all numbers, in database units


class Source(NamedTuple):
    """The text of a file.

    Args:
        path: of the file.
        text: as it is; bytes that are no UTF-8 become surrogates.
        plain: the same, as long, with spaces for comments and underscores within quotes.
    """

    path: str
    text: str
    plain: str


class Statement(NamedTuple):
    """Text up to a semicolon, or up to the end of the file.

    Args:
        source: its file.
        start: its place in the text.
        words: of the statement.
    """

    source: Source
    start: int
    words: list[str]

    def error(self, expected: str, received: str | None = None) -> ValueError:
        """Return the error for what is wrong here; `expected` says the way out, too."""
        return mistake(
            self.source, self.start, expected, received or f'"{" ".join(self.words[:12])}"'
        )

    def integer(self, word: str) -> int:
        """Return a number in database units."""
        try:
            value = int(word)
        except ValueError:
            value = None
        if value is None or abs(value) > LARGEST or "_" in word:
            raise self.error(
                f"A length of a DEF file is a whole number of database units, up to {LARGEST}: "
                "correct it.",
                f"{_short(word)} in {self._shown()}",
            )
        return value

    def number(self, word: str) -> float:
        """Return a number in micrometres, or of another unit of LEF."""
        try:
            value = float(word)
        except ValueError:
            value = None
        if value is None or not abs(value) <= LARGEST or "_" in word:
            raise self.error(
                f"A number of a LEF file is a decimal up to {LARGEST}: correct it.",
                f"{_short(word)} in {self._shown()}",
            )
        return value

    def word(self, i: int, what: str) -> str:
        """Return word i; `what` names it in the error."""
        if i >= len(self.words):
            raise self.error(f"A statement is complete, and here {what} is missing: add it.")
        return self.words[i]

    def _shown(self):
        return _short(" ".join(self.words[:40]))


def _short(text):
    return repr(text if len(text) <= 80 else f"{text[:60]}...{text[-10:]}")


def mistake(source: Source, place: int, expected: str, received: str) -> ValueError:
    """Return an error with the line of a place in a file."""
    word = WORD.search(source.plain, place)
    place = word.start() if word else len(source.plain)
    line = source.text.count("\n", 0, place) + 1
    received = received if len(received) <= 200 else f"{received[:180]}..."
    return ValueError(f"{expected} Received: path={source.path!r}, line {line}: {received}")


def read_source(path: str | os.PathLike) -> Source:
    """Return the text of a LEF or DEF file; that of a `.gz` is unpacked."""
    text = read_text(path)
    return Source(os.fspath(path), text, ASIDE.sub(_blank, text))


def read_text(path: str | os.PathLike) -> str:
    """Return the text of a file as it is; that of a `.gz` is unpacked.

    Raises:
        ValueError: a `.gz` is damaged.
    """
    path = os.fspath(path)
    opened = gzip.open if path.endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            "A file whose name ends in .gz is compressed by gzip, and whole: write it again. "
            f"Received: path={path!r}, which cannot be unpacked: {error}"
        ) from error


def _blank(aside):
    found = aside[0]
    if found[0] == "#":
        return " " * len(found)
    if "\n" not in found:
        return f'"{"_" * (len(found) - 2)}"'
    return '"' + re.sub(r"[^\n]", "_", found[1:-1]).replace("\n", "_") + '"'


def statements(source: Source) -> Iterator[Statement]:
    """Yield the statements of a file; the last is what follows the last semicolon."""
    start = 0
    for piece in source.plain.split(";"):
        yield Statement(source, start, piece.split())
        start += len(piece) + 1
