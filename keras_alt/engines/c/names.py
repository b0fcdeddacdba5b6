"""Identifiers of C, each used once, and comments."""

import re

# Words of C, and what the files call their own.
RESERVED = {
    *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else"),
    *("enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register"),
    *("restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch"),
    *("typedef", "union", "unsigned", "void", "volatile", "while"),
    *("arena", "at", "c", "count", "i", "main", "printf", "row", "stdin", "stdout", "window"),
    *("span", "axes", "y", "x"),
}


class Names:
    """Gives identifiers that are new to a file."""

    def __init__(self):
        self.used = set(RESERVED)

    def new(self, wanted: str) -> str:
        """Return an identifier as much like a name as it can be."""
        name = identifier(wanted)
        number = 2
        free = name
        while free in self.used:
            free, number = f"{name}_{number}", number + 1
        self.used.add(free)
        return free


def identifier(name: str) -> str:
    """Return a name with characters that C allows."""
    text = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")
    return text if text and not text[0].isdigit() else f"net_{text}".rstrip("_")


def comment(*lines: str) -> str:
    """Return a comment of lines, which no name in it ends early."""
    text = "\n".join([*lines[:1], *(f"   {line}".rstrip() for line in lines[1:])])
    return f"/* {text.replace('*/', '* /').replace('/*', '/ *')} */"
