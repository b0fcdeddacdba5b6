"""Folders that are written completely or not at all."""

import contextlib
import os

from keras_alt.files import beside, suffix_of, target_of

_targets: dict[str, str] = {}  # of the temporary folders that are being written


@contextlib.contextmanager
def folder_written_whole(path: str | os.PathLike):
    """Yield a temporary folder that becomes `path` when the block succeeds.

    Raises:
        FileExistsError: `path` exists and is not an empty folder.
        FileNotFoundError, PermissionError: the parent folder is missing or not writable.
        TypeError, ValueError: `path` is no path, or that of a device.
    """
    target, suffix = target_of(path), suffix_of(os.path.normpath(path))
    if os.path.lexists(target) and not (os.path.isdir(target) and not os.listdir(target)):
        raise FileExistsError(
            "A folder to write must be new or empty: remove what is there, or choose another "
            f"path. Received: path={target!r}"
        )
    with beside(target, suffix) as temporary:
        os.mkdir(temporary)
        _targets[temporary] = target
        try:
            yield temporary
        finally:
            del _targets[temporary]


def final_path(path: str | os.PathLike) -> str:
    """Return the absolute path of a file or folder once all folders around it are written.

    It is for files that hold their own path: inside `folder_written_whole`, also one in another,
    the path at hand is of a temporary folder.
    """
    found = target_of(path)
    for temporary, target in reversed(list(_targets.items())):  # inner folders came later
        if found == temporary or found.startswith(temporary + os.sep):
            found = target + found[len(temporary) :]
    return found
