"""Atomic writing of files: a file is complete or absent."""

import contextlib
import errno
import glob
import hashlib
import os
import shutil
import tempfile

try:
    import fcntl
except ImportError:  # there are no such locks on Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = ".writing-"
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)


@contextlib.contextmanager
def written_whole(path: str | os.PathLike):
    """Yield a temporary path with the suffix of `path`; move it to `path` if the block succeeds.

    A link stays, and the file that it points to is written.

    Raises:
        FileNotFoundError, PermissionError: the folder of `path` is missing, or not writable.
        IsADirectoryError: `path` is a folder, or ends as one.
        TypeError, ValueError: `path` is no path, or that of a device.
    """
    target = target_of(path)
    if os.path.isdir(target) or os.fspath(path).endswith((os.sep, os.altsep or os.sep)):
        raise IsADirectoryError(
            "`path` must be a file, not a folder: add the name of a file, or choose another path. "
            f"Received: path={os.fspath(path)!r}"
        )
    with beside(target, suffix_of(os.fspath(path))) as temporary:
        yield temporary


def target_of(path: str | os.PathLike) -> str:
    """Return the absolute path that is to be written, behind all links.

    Raises:
        TypeError, ValueError: `path` is no path, or that of a device.
    """
    given, path = path, os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(path, str):
        raise TypeError(f"`path` must be a string or a `pathlib.Path`. Received: path={given!r}")
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # what is missing is named where it is written
    except (OSError, ValueError) as error:  # too long, a circle of links, or a NUL
        raise ValueError(
            f"`path` must be one that the system takes, and not: {error}. Received: path={path!r}"
        ) from error
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise ValueError(
            "`path` must be a file or a folder, not a device or a pipe, which cannot be replaced "
            f"as a whole. Received: path={path!r}"
        )
    return os.path.realpath(path)


def suffix_of(path: str) -> str:
    """Return the suffixes of a path, such as ".weights.h5"."""
    _, dot, suffix = os.path.basename(path).partition(".")
    return f"{dot}{suffix}"


@contextlib.contextmanager
def beside(path: str, suffix: str):
    """Yield a temporary path next to `path`; move it to `path` if the block succeeds.

    What a process that was killed left next to the same path is removed.

    Args:
        path: behind all links.
        suffix: of the temporary path, because some writers go by it.
    """
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
    prefix = f"{PREFIX}{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}-"
    with scratch_folder(folder, prefix) as scratch:
        temporary = os.path.join(scratch, f"file{suffix}")
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError as error:
            if error.errno not in OCCUPIED:
                raise
            raise FileExistsError(
                "Another process has written there meanwhile: remove what is there, or choose "
                f"another path. Received: path={path!r}"
            ) from error


@contextlib.contextmanager
def scratch_folder(folder: str | None = None, prefix: str = "keras_alt-"):
    """Yield a temporary folder that is removed at the end.

    After a kill, the next call for the same place and prefix removes it.

    Args:
        folder: where it is made; by default, where the system has temporary files.
        prefix: of its name.
    """
    folder = tempfile.gettempdir() if folder is None else folder
    with contextlib.ExitStack() as stack:
        with _locked(folder):  # so that nobody takes a folder without a lock yet for abandoned
            _remove_abandoned(os.path.join(folder, prefix))
            holder = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=prefix))
            stack.enter_context(_locked(holder))
        inner = os.path.join(holder, "files")  # has no lock, so that files can be written there
        os.mkdir(inner)
        yield inner


@contextlib.contextmanager
def _locked(folder):
    """Hold a lock on a folder, which the system releases if the process is killed."""
    with contextlib.ExitStack() as stack:
        # Not every file system has locks, and a folder may be one that cannot be read.
        with contextlib.suppress(OSError):
            if fcntl is not None:
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove_abandoned(start):
    """Remove the temporary folders whose paths begin so, and whose process has ended."""
    for folder in glob.glob(f"{glob.escape(start)}*") if fcntl is not None else ():
        with contextlib.suppress(OSError):  # another process removes it at the same time
            handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(handle)
