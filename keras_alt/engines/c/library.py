"""The C functions of a file: templates of this folder, made for the types that need them."""

import functools
from importlib import resources
from string import Template

from keras_alt.engines.c.types import CType


class Library:
    """Collects the functions that a file uses, each after those that it calls itself."""

    def __init__(self):
        self.functions: dict[str, str] = {}

    def add(self, template: str, *types: CType | str, **words: str) -> str:
        """Add a function unless it is there; return its name.

        Args:
            template: name of a file in `templates`, without its ending.
            types: what its name tells, for instance the types of operand, kernel and sum.
            words: what replaces `$word` in the template.
        """
        endings = [t if isinstance(t, str) else t.short for t in types]
        name = "_".join([template, *endings])
        if name not in self.functions:
            self.functions[name] = _template(template).substitute(words, name=name)
        return name


@functools.cache
def _template(name: str) -> Template:
    file = resources.files("keras_alt.engines.c").joinpath("templates", f"{name}.c")
    return Template(file.read_text(encoding="utf-8"))
