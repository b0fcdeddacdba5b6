"""Arguments that name layers, by globs or in full."""

import difflib
import fnmatch
from collections.abc import Iterable, Sequence


def checked_globs(argument: str, globs: Iterable[str]) -> tuple[str, ...]:
    """Return the globs of the argument called so.

    Raises:
        TypeError: they are one string, which would be read letter by letter, or no strings.
    """
    if isinstance(globs, str):
        raise TypeError(
            f"`{argument}` must be a sequence: write ({globs!r},). Received: {argument}={globs!r}"
        )
    found = tuple(globs) if is_iterable(globs) else (None,)
    if not all(isinstance(glob, str) for glob in found):
        raise TypeError(
            f"`{argument}` must be a sequence of globs of layer names, such as ('head', 'block1_*')"
            f". Received: {argument}={globs!r}"
        )
    return found


def is_iterable(value) -> bool:
    """Return whether a loop takes the value; an array without axes only says so."""
    return isinstance(value, Iterable) and getattr(value, "shape", None) != ()


def matches(name: str, globs: Iterable[str]) -> bool:
    """Return whether one of `globs` matches the name of a layer, capitals and all."""
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def unmatched(globs: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return those of `globs` that match none of `names`."""
    return [glob for glob in globs if not any(matches(name, [glob]) for name in names)]


def listed(names: Iterable[str], wanted: str) -> str:
    """Return `names` for an error, those first that are most like what was wanted."""
    names = [str(name) for name in names]
    nearest = difflib.get_close_matches(str(wanted), names, n=3)
    return ", ".join([*nearest, *(name for name in names if name not in nearest)])
