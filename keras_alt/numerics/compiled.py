"""The C functions of `one_pass.c`, compiled on this machine when they are first needed."""

import contextlib
import ctypes
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import warnings

from keras_alt.files import written_whole
from keras_alt.numerics.contract import Rules

SOURCE = pathlib.Path(__file__).with_name("one_pass.c")
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
ROUNDINGS = ("half_even", "half_up", "half_away", "floor", "half_away_stored", "double")
_LOADING = threading.Lock()

POINTER, SIZE, INT = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int
ARGUMENTS = {
    "forward": [*[POINTER, POINTER, SIZE, POINTER, SIZE], *[POINTER] * 5, INT],
    "backward": [*[POINTER] * 3, SIZE, *[POINTER] * 2, SIZE, *[POINTER] * 7, INT],
    "forward_channels": [*[POINTER] * 2, *[SIZE] * 3, *[POINTER] * 3],
    "backward_channels": [*[POINTER] * 3, *[SIZE] * 3, *[POINTER] * 4],
}


class CRules(ctypes.Structure):
    """`Rules` of `one_pass.c`."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("rounding", "shift")),
        *((name, ctypes.c_float) for name in ("qmin", "qmax", "low", "high", "zero_point")),
    ]


@functools.cache
def c_rules(rules: Rules) -> CRules:
    """Return rules as the C functions read them."""
    format, rounding, relu_max = rules
    return CRules(
        ROUNDINGS.index(rounding),
        format.bits - int(format.signed),
        format.qmin,
        format.qmax,
        float("-inf") if relu_max is None else 0.0,
        float("inf") if relu_max is None else relu_max,
        0.0 if format.signed else -(2.0 ** (format.bits - 1)),
    )


def functions() -> dict | None:
    """Return the C functions by name; None, after a warning, if they cannot be compiled here."""
    with _LOADING:
        return _functions()


@functools.cache
def _functions():
    try:
        return _declared(_library(_compiler()))
    except OSError as error:
        warnings.warn(
            "The quantizers run as single steps, which makes training on torch about twice as "
            "slow, because their C functions could not be compiled: install gcc, or name your "
            f"compiler in the variable CC. Received: {error}",
            stacklevel=2,
        )
        return None


def _declared(library):
    found = {name: getattr(library, f"keras_alt_{name}") for name in ARGUMENTS}
    for name, function in found.items():
        function.argtypes = ARGUMENTS[name]
        function.restype = None if name.endswith("channels") else INT
    return found


def _library(compiler):
    """Return the library, from the user's cache or newly compiled."""
    # The macros name the compiler, its version and the instructions of this processor.
    macros = _said_by([compiler, *FLAGS, "-dM", "-E", "-x", "c", os.devnull])
    # gcc's threads are those of torch, see `_compile`. clang's are of another library.
    flags = [*FLAGS, "-fopenmp-simd" if b"__clang__" in macros else "-fopenmp"]
    key = hashlib.sha256(SOURCE.read_bytes() + repr(flags).encode() + macros).hexdigest()[:16]
    path = _cache() / f"one_pass-{key}.so"
    with contextlib.suppress(OSError):  # it is not there, or damaged
        return ctypes.CDLL(str(path))
    with contextlib.suppress(OSError):  # the cache cannot be written
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as new:
            _compile(compiler, flags, new)
            return ctypes.CDLL(new)
    with tempfile.TemporaryDirectory() as folder:
        new = os.path.join(folder, path.name)
        _compile(compiler, flags, new)
        return ctypes.CDLL(new)


def _compile(compiler, flags, path):
    """Compile the library, without a library of threads.

    The names of its threads are looked up in the library that torch has loaded. So both share one
    pool of threads, and a second one does not compete with the first.
    """
    compiled = f"{path}.o"
    _said_by([compiler, *flags, "-c", str(SOURCE), "-o", compiled])
    _said_by([compiler, "-shared", compiled, "-lm", "-o", path])


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
