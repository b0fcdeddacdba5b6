"""The rounding rules of the integer engine, as C."""

from keras_alt.engines.c.library import Library
from keras_alt.engines.c.types import CType
from keras_alt.engines.fitting import ExportError

# Whether the quotient, which is rounded down, lacks 1 to the result. Each rule is the one of that
# name in `keras_alt.integer.arithmetic.ROUNDINGS`. `excess` is twice the remainder minus the
# denominator, `offset` the zero point of the stored codes.
RULES = {
    "half_even": "(excess > 0) | ((excess == 0) & ((quotient & 1) == 1))",
    "half_up": "excess >= 0",
    "half_away": "(excess > 0) | ((excess == 0) & (quotient >= 0))",
    "floor": "0",
    "half_away_stored": "(excess > 0) | ((excess == 0) & (quotient + offset >= 0))",
}
EXCESS = {
    "shifted": "2 * (c & (((T)1 << shift) - 1)) - ((T)1 << shift)",
    "divided": "2 * (c - quotient * divisor) - divisor",
}


def rounded(
    library: Library, ctype: CType, rounding: str, c: str, divisor: str | int, offset: int
) -> str:
    """Return an expression of `round(c / divisor)`.

    Args:
        library: gets the function that the expression calls.
        ctype: type of `c`, which must hold twice the divisor.
        rounding: name of a rule.
        c: expression of the dividend.
        divisor: a positive integer, or the expression of one.
        offset: zero point of the stored codes.

    Raises:
        ExportError: there is no such rule.
    """
    if rounding not in RULES:
        raise ExportError(
            f"C has the roundings {', '.join(RULES)}. Received: rounding={rounding!r}"
        )
    rule = RULES[rounding]
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
