"""The constant arrays of a C file, at the widths of their codes."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_alt.engines.c.library import Library
from keras_alt.engines.c.names import Names, comment
from keras_alt.engines.c.types import U8, CType, holding, literal
from keras_alt.engines.integer.packing import pack
from keras_alt.formats import FixedPoint

LINE = 96  # characters of a line of numbers


@dataclass(frozen=True)
class Kernel:
    """An array of weights as functions read it.

    Attributes:
        array: its name.
        type: of its elements.
        ending: how names of functions tell its width.
        weight: expression of weight `first + i` of the array called `kernel`.
    """

    array: str
    type: CType
    ending: str
    weight: str


class Constants:
    """Collects the arrays of a file. Equal arrays of one type are written once.

    Attributes:
        bytes: of all arrays.
        definitions: functions that return their texts, in order.
    """

    def __init__(self, names: Names):
        self.names, self.bytes = names, 0
        self.definitions: list[Callable[[], str]] = []
        self.known: dict[tuple, str] = {}

    def add(self, name: str, numbers: np.ndarray, what: str, ctype: CType | None = None):
        """Add an array of numbers; return its name and its type, the narrowest if none is given."""
        numbers = np.asarray(numbers, np.int64)
        ctype = ctype or holding(int(numbers.min(initial=0)), int(numbers.max(initial=0)))
        flat = numbers.astype(ctype.dtype).ravel()
        key = (ctype, flat.size, hashlib.sha256(flat).digest())
        if key not in self.known:
            self.known[key] = array = self.names.new(name)
            self.bytes += flat.size * ctype.bytes
            text = functools.partial(definition, array, flat, ctype, what)
            self.definitions.append(text)
        return self.known[key], ctype

    def kernel(
        self, name: str, codes: np.ndarray, format: FixedPoint, what: str, library: Library
    ) -> Kernel:
        """Add codes of a kernel: codes of up to 4 bits share bytes, the first in the low bits."""
        bits = {2: 2, 3: 4, 4: 4}.get(format.bits)
        if bits is None:
            array, ctype = self.add(name, codes, what)
            return Kernel(array, ctype, ctype.short, "kernel[first + i]")
        what = f"{what}; {8 // bits} codes in a byte, the first in its low bits"
        array, _ = self.add(name, pack(codes, bits), what, U8)
        half = 2 ** (bits - 1)
        extended = f"(code ^ {half}) - {half}" if format.signed else "code"
        ending = f"{'i' if format.signed else 'u'}{bits}"
        words = {"bits": bits, "each": 8 // bits, "mask": 2**bits - 1, "extended": extended}
        read = library.add("packed", ending, **words)
        return Kernel(array, U8, ending, f"{read}(kernel, first + i)")

    def struct(self, name: str, kind: str, fields: dict[str, Sequence[int] | int]) -> str:
        """Add a constant struct of 32-bit numbers; return its name."""
        given = tuple(f".{field} = {_initializer(value)}" for field, value in fields.items())
        if (kind, given) not in self.known:
            self.known[kind, given] = new = self.names.new(name)
            self.bytes += 4 * sum(np.size(value) for value in fields.values())
            head = f"static const struct {kind} {new} = {{"
            self.definitions.append(functools.partial(_braced, head, given))
        return self.known[kind, given]


def _initializer(value):
    return str(value) if isinstance(value, int) else f"{{{', '.join(map(str, value))}}}"


def definition(
    name: str, numbers: np.ndarray, ctype: CType, what: str, storage: str = "static const"
) -> str:
    """Return the text that defines an array, behind a comment."""
    words = [literal(number) for number in numbers.tolist()] or ["0"]
    each = max(LINE // (max(map(len, words)) + 2), 1)
    rows = [", ".join(words[i : i + each]) for i in range(0, len(words), each)]
    head = f"{storage} {ctype.name} {name}[{len(words)}] = {{"
    return f"{comment(what)}\n{_braced(head, rows)}"


def _braced(head, rows):
    return "\n".join([head, ",\n".join(f"    {row}" for row in rows), "};"])
