"""How LiteRT files store codes."""

import os


def parsed_file(path: str | os.PathLike):
    """Return a LiteRT file as an object of the schema's classes."""
    from ai_edge_litert import schema_py_generated as schema

    with open(path, "rb") as file:
        return schema.ModelT.InitFromPackedBuf(file.read(), 0)


def zero_point(tensor) -> int:
    """Return the stored byte that stands for zero."""
    return 0 if tensor.format.signed else -128
