"""The rounding rules of the integer engine, as C."""

from collections.abc import Callable
from functools import partial

from keras_alt.engines.c.library import Library
from keras_alt.engines.c.types import CType
from keras_alt.engines.fitting import ExportError

# What `2 * remainder - denominator` is, by template.
EXCESS = {
    "shifted": "2 * (c & (((T)1 << shift) - 1)) - ((T)1 << shift)",
    "divided": "2 * (c % divisor + (c % divisor < 0 ? divisor : 0)) - divisor",
}


def rounded(
    library: Library, ctype: CType, rounding: str, c: str, divisor: str | int, offset: int
) -> str:
    """Return an expression of `round(c / divisor)`.

    Args:
        library: gets the function that the expression calls.
        ctype: type of `c`, which must hold twice the divisor.
        rounding: name of a rule in `keras_alt.integer.arithmetic.ROUNDINGS`.
        c: expression of the dividend.
        divisor: a positive integer, or the expression of one.
        offset: zero point of the stored codes.

    Raises:
        ExportError: the rule has no form in C.
    """
    if rounding not in ROUNDINGS:
        raise ExportError(
            f"C has the roundings {', '.join(ROUNDINGS)}. Received: rounding={rounding!r}"
        )
    return ROUNDINGS[rounding](library, ctype, rounding, c, divisor, offset)


def _neighbour(rule: str, library, ctype, rounding, c, divisor, offset):
    """Return a call of a function that takes the quotient below, or the next one.

    Args:
        rule: C that tells whether the next one, from `quotient`, `excess` and `offset`.
    """
    is_power = isinstance(divisor, int) and divisor & (divisor - 1) == 0
    template = "shifted" if is_power else "divided"
    excess = f"\n    const T excess = {EXCESS[template]};" if "excess" in rule else ""
    name = library.add(
        template,
        rounding,
        ctype,
        t=ctype.name,
        title=rounding.replace("_", " "),
        offset=f", {ctype.name} offset" if "offset" in rule else "",
        excess=excess.replace("T", ctype.name),
        rule=rule,
    )
    by = divisor.bit_length() - 1 if is_power else divisor
    return f"{name}({c}, {by}{f', {offset}' if 'offset' in rule else ''})"


# A function of `(library, ctype, rounding, c, divisor, offset)` for each rule of the same name in
# `keras_alt.integer.arithmetic.ROUNDINGS`. It adds C to the library and returns an expression.
ROUNDINGS: dict[str, Callable[..., str]] = {
    name: partial(_neighbour, rule)
    for name, rule in {
        "half_even": "(excess > 0) | ((excess == 0) & ((quotient & 1) == 1))",
        "half_up": "excess >= 0",
        "half_away": "(excess > 0) | ((excess == 0) & (quotient >= 0))",
        "floor": "0",
        "half_away_stored": "(excess > 0) | ((excess == 0) & (quotient + offset >= 0))",
    }.items()
}
