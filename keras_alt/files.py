"""Files that are written completely or not at all."""

import contextlib
import os
import tempfile


@contextlib.contextmanager
def written_whole(path: str | os.PathLike):
    """Yield a temporary path of the same suffix that becomes `path` when the block succeeds."""
    path = os.path.abspath(os.fspath(path))
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"The folder of a file to write must exist. Received: path={path!r}"
        )
    suffix = name[name.index(".") :] if "." in name else ""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as scratch:
        temporary = os.path.join(scratch, f"file{suffix}")
        yield temporary
        os.replace(temporary, path)
