"""C sources of this folder, compiled on this machine when they are first needed."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from typing import NamedTuple

from keras_alt.files import written_whole

FOLDER = pathlib.Path(__file__).parent
COMPILERS = ("gcc", "cc", "clang")
# The integers are those of the closed form only without fused multiply-adds and fast math.
FLAGS = (
    "-march=native",
    "-fPIC",
    "-std=c99",
    "-O3",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
)


class Library(NamedTuple):
    """A library made of one C source.

    Attributes:
        source: name of a file in this folder, which may include others of it.
        load: opens the library at a path; raises an OSError if it cannot.
        without: what becomes of training without a compiler.
        openmp: whether loops run on OpenMP's threads, whose names the process has loaded.
        compile_flags, link_flags: further ones.
    """

    source: str
    load: Callable
    without: str
    openmp: bool = False
    compile_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()


def loaded(library: Library):
    """Return the opened library; None, after a warning, if it cannot be compiled here."""
    try:
        return _loaded(library, _compiler())
    except OSError as error:
        warnings.warn(
            f"{library.without}, because C functions of the quantizers could not be compiled: "
            "install gcc, or name your compiler in the variable CC. "
            f"Received: {error}",
            stacklevel=2,
        )
        return None


def _loaded(library, compiler):
    """Return the library from the user's cache, or newly compiled."""
    # The macros name the compiler, its version and the instructions of this processor.
    macros = _said_by([compiler, *FLAGS, "-dM", "-E", "-x", "c", os.devnull])
    # gcc's threads are those of torch, see `_compile`. clang's are of another library.
    threads = library.openmp and b"__clang__" not in macros
    flags = [*FLAGS, "-fopenmp" if threads else "-fopenmp-simd", *library.compile_flags]
    key = _key(library, flags, macros)
    path = _cache() / f"{pathlib.Path(library.source).stem}-{key}.so"
    with contextlib.suppress(OSError):  # it is not there, or damaged
        return library.load(_whole(path))
    with contextlib.suppress(OSError):  # the cache cannot be written
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as new:
            _compile(library, compiler, flags, new)
        return library.load(str(path))
    with tempfile.TemporaryDirectory() as folder:
        new = os.path.join(folder, path.name)
        _compile(library, compiler, flags, new)
        return library.load(new)


def _key(library, flags, macros):
    sources = b"".join(path.read_bytes() for path in sorted(FOLDER.glob("*.c")))
    given = repr([flags, library.link_flags]).encode()
    return hashlib.sha256(sources + given + macros).hexdigest()[:16]


def _compile(library, compiler, flags, path):
    """Compile the library, without a library of threads.

    The names of OpenMP's threads are looked up in the library that torch has loaded. So both share
    one pool of threads, and a second one does not compete with the first.
    """
    compiled = f"{path}.o"
    _said_by([compiler, *flags, "-c", str(FOLDER / library.source), "-o", compiled])
    _said_by([compiler, "-shared", compiled, "-lm", *library.link_flags, "-o", path])
    os.unlink(compiled)
    with open(path, "ab") as file:  # what follows a library's own parts is not read
        file.write(_digest(pathlib.Path(path).read_bytes()))


def _whole(path):
    """Return the path of a library as text; raise an OSError if something of it is missing.

    A process that opens a library that was cut short ends by a signal.
    """
    content = path.read_bytes()
    size = hashlib.sha256().digest_size
    if content[-size:] != _digest(content[:-size]):
        raise OSError(f"{path} is damaged")
    return str(path)


def _digest(content):
    return hashlib.sha256(content).digest()


def _compiler():
    names = [os.environ["CC"]] if os.environ.get("CC") else COMPILERS
    for name in names:
        if shutil.which(name):
            return name
    raise FileNotFoundError(f"no {', '.join(names)} on the path")


def _said_by(command):
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout


def _cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(home, "keras_alt")
