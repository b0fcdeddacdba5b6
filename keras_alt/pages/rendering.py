"""Filling of templates, with everything escaped that comes from a model."""

import functools
import math
import re

PREFIXES = ("", "k", "M", "G", "T")
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")


def rendered(template: str, **values) -> str:
    """Return a template of this package, filled.

    Args:
        template: file in `templates`; one that ends in `.html` escapes all values.
        **values: what it names.
    """
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment():
    # Imported on first use: most programs write no page.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_alt.pages"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        amount=amount,
        percent=percent,
        shape=shape,
        minus=minus,
        plain=plain_markdown,
        code=code,
        name=name,
    )
    return environment


def amount(number: float, unit: str = "") -> str:
    """Return a number with three digits and a prefix, such as "1.23 MB"."""
    power = 0
    while abs(number) >= 999.5 and power < len(PREFIXES) - 1:
        number, power = number / 1000, power + 1
    digits = 0 if power == 0 else max(0, 2 - int(math.log10(abs(number))))
    return f"{number:.{digits}f} {PREFIXES[power]}{unit}".strip()


def percent(share: float) -> str:
    """Return a share as text; only nothing and everything are 0 % and 100 %."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.0001:
        return "< 0.01 %"
    if share > 0.999:
        return "> 99.9 %"
    return f"{100 * share:.{2 if share < 0.01 else 1}f} %"


def shape(sizes) -> str:
    """Return a shape as text, with `?` for a size that is open."""
    return " × ".join("?" if size is None else str(size) for size in sizes) or "scalar"


def code(text: str):
    """Return a text with what stands between backticks as code; everything is escaped."""
    import markupsafe

    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return text
    marked = [f"<code>{markupsafe.escape(part)}</code>" for part in parts[1::2]]
    plain = [str(markupsafe.escape(part)) for part in parts[::2]]
    return markupsafe.Markup("".join(a + b for a, b in zip(plain, [*marked, ""], strict=True)))


def name(text: str):
    """Return a name that a narrow page breaks behind its parts; it is escaped."""
    import markupsafe

    return markupsafe.Markup(re.sub("([/_])", r"\1<wbr>", str(markupsafe.escape(text))))


def minus(number) -> str:
    """Return a number as text with a true minus sign."""
    return str(number).replace("-", "−")


def short(text: str, length: int) -> str:
    """Return a text with its middle left out, if it is too long."""
    if len(text) <= length:
        return text
    end = (length - 1) // 2
    return f"{text[: length - 1 - end]}…{text[-end:]}"


def plain_markdown(text) -> str:
    """Return a text that Markdown shows as it is."""
    return MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
