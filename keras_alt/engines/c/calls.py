"""The order of the functions of a model, and the memory that they hand on."""

from __future__ import annotations

from dataclasses import dataclass, field

from keras_alt.engines.c.layer import Layer, loop
from keras_alt.engines.c.memory import Block, planned
from keras_alt.engines.c.names import comment
from keras_alt.engines.c.source import Source
from keras_alt.engines.c.types import CType, stored


@dataclass
class Calls:
    """The body of the function that computes a model.

    Attributes:
        lines: statements.
        observed: positions whose codes it shows, in order.
        arena_bytes: size of the memory.
        types: of what the memory holds.
    """

    lines: list[str] = field(default_factory=list)
    observed: list[int] = field(default_factory=list)
    arena_bytes: int = 0
    types: set[CType] = field(default_factory=set)


def calls(source: Source) -> Calls:
    """Return the body of the function that computes a source's program."""
    return _Caller(source).body()


class _Caller:
    def __init__(self, source: Source):
        self.source = source
        self.pointers = {a.position: a.name for a in reversed(source.inputs)}
        self.pointers.update(source.arrays)
        made = {p.group.output for p in source.parts if isinstance(p, Layer)}
        self.copied = []
        for argument in source.outputs:
            root = source.roots[argument.position]
            if root in made and root not in self.pointers:
                self.pointers[root] = argument.name
            else:
                self.copied.append(argument)

    def body(self) -> Calls:
        result, tensors = Calls(), self.source.program.tensors
        offsets, result.arena_bytes = planned(self._blocks())
        for key, offset in offsets.items():
            ctype = key[0].scratch[key[1]][0] if isinstance(key, tuple) else stored(tensors[key])
            result.types.add(ctype)
            self.pointers[key] = f"arena.{ctype.short} + {offset // ctype.bytes}"
        for part in self.source.parts:
            if isinstance(part, Layer):
                given = [self._pointer(p) for p in [*part.parameters, part.group.output]]
                given += [self.pointers[part, name] for name in part.scratch]
                result.lines.append(f"{part.name}({', '.join(given)});")
            position = part.group.output if isinstance(part, Layer) else part.output
            if position in self.source.shown:
                result.observed.append(position)
                size = self.source.size(position)
                show = f"{self.source.show}({self._pointer(position)}, {size});"
                result.lines.append(f"{show} {comment(tensors[position].name)}")
        read = {self.source.roots[p] for part in self.source.parts for p in _read(part)}
        read.update(self.source.roots[a.position] for a in self.copied)
        unread = [a for a in self.source.inputs if a.position not in read]
        result.lines += [f"(void){argument.name};" for argument in unread]
        for argument in self.copied:
            code = f"{argument.name}[i] = ({self._pointer(argument.position)})[i];"
            result.lines += loop("i", argument.size, [code])
        return result

    def _pointer(self, position):
        return self.pointers[self.source.roots[position]]

    def _blocks(self):
        """Return the tensors and the rows of sums that need memory."""
        roots, parts, tensors = self.source.roots, self.source.parts, self.source.program.tensors
        first, last, rows = {}, {}, []
        for time, part in enumerate(parts):
            last.update(dict.fromkeys((roots[p] for p in _read(part)), time))
            if isinstance(part, Layer):
                first[part.group.output] = last[part.group.output] = time
                rows += [
                    Block((part, name), ctype.bytes * length, time, time)
                    for name, (ctype, length) in part.scratch.items()
                ]
        last.update({roots[a.position]: len(parts) for a in self.copied})
        blocks = [
            Block(p, stored(tensors[p]).bytes * self.source.size(p), time, last[p])
            for p, time in first.items()
            if p not in self.pointers
        ]
        return [*blocks, *rows]


def _read(part):
    """Return the positions that a part of the program reads."""
    if isinstance(part, Layer):
        return part.parameters
    return part.inputs if part.operation == "reshape" else ()
