"""How LiteRT files store codes."""


def zero_point(tensor) -> int:
    """Return the stored byte that stands for zero."""
    return 0 if tensor.format.signed else -128
