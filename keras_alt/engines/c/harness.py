"""A program that computes samples from its input, and shows the codes of inner tensors too."""

from __future__ import annotations

from keras_alt.engines.c.calls import Calls
from keras_alt.engines.c.source import Source
from keras_alt.engines.c.types import stored

NAME = "harness.c"


def harness_text(source: Source) -> str:
    """Return a file that includes the model's.

    Its program reads samples from stdin, the codes of all inputs one after the other, and writes
    those of `layout` to stdout, until the samples end.
    """
    read = [f"fread({a.name}, sizeof {a.name}, 1, stdin) == 1" for a in source.inputs]
    arrays = [
        f"static {a.type.name} {a.name}[{a.size}];" for a in [*source.inputs, *source.outputs]
    ]
    given = ", ".join(a.name for a in [*source.inputs, *source.outputs])
    written = [f"        fwrite({a.name}, sizeof {a.name}, 1, stdout);" for a in source.outputs]
    return "\n".join(
        [
            "#include <stdio.h>\n",
            f"#define {source.show}(codes, count) fwrite(codes, sizeof *(codes), count, stdout)",
            f'#include "{source.name}.c"\n',
            *arrays,
            "\nint main(void)\n{",
            f"    while ({' && '.join(read)}) {{",
            f"        {source.name}({given});",
            *written,
            "    }\n    return 0;\n}\n",
        ]
    )


def layout(source: Source, body: Calls) -> dict[int, dict]:
    """Return type, shape and first byte of each tensor that the program writes of a sample."""
    found, start = {}, 0
    for position in [*body.observed, *(a.position for a in source.outputs)]:
        tensor = source.program.tensors[position]
        dtype = stored(tensor).dtype
        entry = {"type": dtype.str, "shape": list(tensor.shape), "start": start}
        found[position] = entry
        start += dtype.itemsize * source.size(position)
    return found
