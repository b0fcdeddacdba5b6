"""Atomic writing of files: a file is complete or absent."""

import contextlib
import os
import tempfile


@contextlib.contextmanager
def written_whole(path: str | os.PathLike):
    """Yield a temporary path with the suffix of `path`; move it to `path` if the block succeeds.

    Raises:
        FileNotFoundError, PermissionError: the folder of `path` is missing, or not writable.
        IsADirectoryError: `path` is a folder.
    """
    path = os.path.abspath(os.fspath(path))
    if os.path.isdir(path):
        raise IsADirectoryError(
            "`path` must be a file, not a folder: add the name of a file, or choose another path. "
            f"Received: path={path!r}"
        )
    with beside(path) as temporary:
        yield temporary


@contextlib.contextmanager
def beside(path: str):
    """Yield a temporary path next to `path`; move it to `path` if the block succeeds."""
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"The folder of a file to write must exist: create it. Received: path={path!r}"
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            "The folder of a file to write must be writable: change its permissions or choose "
            f"another path. Received: path={path!r}"
        )
    suffix = name[name.index(".") :] if "." in name else ""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as scratch:
        temporary = os.path.join(scratch, f"file{suffix}")
        yield temporary
        os.replace(temporary, path)
