"""The files of a C model: source, header and self-test."""

from __future__ import annotations

import numpy as np

from keras_alt.engines.c.calls import Calls
from keras_alt.engines.c.constants import definition
from keras_alt.engines.c.layer import Layer
from keras_alt.engines.c.names import comment
from keras_alt.engines.c.source import Source
from keras_alt.engines.c.types import TYPES, format_text, shape_text
from keras_alt.integer import Reading
from keras_alt.version import __version__


def source_text(source: Source, body: Calls) -> str:
    """Return the `.c` file."""
    parts = [
        f'#include "{source.name}.h"',
        "/* A negative code that is shifted to the right must stay negative. */\n"
        "typedef char arithmetic_shift_is_needed[(-1 >> 1) == -1 ? 1 : -1];",
        _show(source, body),
        _arena(body),
        *(text.rstrip() for text in source.library.functions.values()),
        *(text() for text in source.constants.definitions),
        *(part.text() for part in source.parts if isinstance(part, Layer)),
        "\n".join([_head(source), "{", *(f"    {line}" for line in body.lines), "}"]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _show(source, body):
    if not body.observed:
        return ""
    what = comment("Sees codes of inner tensors, to compare them with those of another engine.")
    return f"{what}\n#ifndef {source.show}\n#define {source.show}(codes, count)\n#endif"


def _arena(body):
    if not body.arena_bytes:
        return ""
    members = [
        f"    {ctype.name} {ctype.short}[{body.arena_bytes // ctype.bytes}];"
        for ctype in TYPES
        if ctype in body.types
    ]
    what = comment("Tensors and rows of sums; some lie where others are not needed any more.")
    return "\n".join([what, "static union {", *members, "} arena;"])


def header_text(source: Source, body: Calls, reading: Reading) -> str:
    """Return the `.h` file."""
    arguments = [("input", a) for a in source.inputs] + [("output", a) for a in source.outputs]
    lines = [
        f"{reading.program.name} in integers, by the rules of target "
        f"'{reading.target}' (keras-alt {__version__}).",
        "",
        "A code c is worth c times its step. Arrays are in row-major order, channels last.",
        *(f"{kind:6} {a.name}: {_described(a.tensor)}" for kind, a in arguments),
        *_floats("Float layers in front, not computed here", reading.entry_layers),
        *_floats("Float layers behind, not computed here", reading.exit_layers),
        "",
        "Arrays must not overlap. The memory is static, so only one call may run at a time.",
    ]
    guard, prefix = f"{source.name.upper()}_H", source.name.upper()
    return "\n".join(
        [
            comment(*lines),
            f"#ifndef {guard}\n#define {guard}\n",
            "#include <stdint.h>\n",
            f"#define {prefix}_ARENA_BYTES {body.arena_bytes} /* static memory */",
            f"#define {prefix}_CONSTANT_BYTES {source.constants.bytes} /* weights and tables */\n",
            _head(source) + ";\n",
            "#endif\n",
        ]
    )


def self_test_text(source: Source, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> str:
    """Return a program that compares the outputs of a model with those of the integer engine."""
    count, definitions = len(inputs[0]), []
    given, wanted = [], []
    for kind, arguments, arrays in (
        ("in", source.inputs, inputs),
        ("out", source.outputs, outputs),
    ):
        for argument, codes in zip(arguments, arrays, strict=True):
            array = f"{kind}_{argument.name}"
            what = f"{count} samples of {argument.name}"
            definitions.append(definition(array, codes.ravel(), argument.type, what))
            (given if kind == "in" else wanted).append((array, argument))
    results = [f"static {a.type.name} got_{a.name}[{a.size}];" for _, a in wanted]
    call = [f"{array} + sample * {a.size}" for array, a in given]
    call += [f"got_{a.name}" for _, a in wanted]
    compared = [
        f"        for (int32_t i = 0; i < {a.size}; i++)\n"
        f"            differing += got_{a.name}[i] != {array}[sample * {a.size} + i];"
        for array, a in wanted
    ]
    total = count * sum(a.size for _, a in wanted)
    return "\n".join(
        [
            "/* Self-test by codes of the integer engine. Exits with 1 if any differ. */",
            f'#include <stdio.h>\n\n#include "{source.name}.h"\n',
            *(text + "\n" for text in definitions),
            *results,
            "\nint main(void)\n{\n    long differing = 0;",
            f"    for (int32_t sample = 0; sample < {count}; sample++) {{",
            f"        {source.name}({', '.join(call)});",
            *compared,
            "    }",
            f'    printf("%ld of {total} codes differ\\n", differing);',
            "    return differing != 0;\n}\n",
        ]
    )


def _head(source: Source) -> str:
    read = [f"const {a.type.name} {a.name}[{a.size}]" for a in source.inputs]
    written = [f"{a.type.name} {a.name}[{a.size}]" for a in source.outputs]
    return f"void {source.name}({', '.join([*read, *written])})"


def _described(tensor):
    return f"{format_text(tensor)}, {shape_text(tensor.shape)}"


def _floats(title, names):
    return [f"{title}: {', '.join(names)}"] if names else []
