"""The law of all inputs: a right result, or an error in our words, in time."""

import collections
import dis
import json
import os
import pathlib
import signal
import time
import types

from hypothesis import given, settings
from hypothesis import strategies as st

MINUTES = float(os.environ.get("FUZZ_MINUTES", 0))  # of `make fuzz`, for all kinds together
OUTPUT = pathlib.Path("output/fuzz/counts.json")
KINDS = 28  # which share the minutes
SECONDS_OF_ONE = 120  # of processors, after which an input hangs
SECONDS_AT_MOST = 1200  # on a busy machine; an input that only waits takes them, too
ROUND = 50  # inputs between two looks at the clock
OURS = ("/keras_alt/", "/keras_route/")
KINDS_OF_ERRORS = (ImportError, LookupError, NotImplementedError, OSError, TypeError, ValueError)
RAISE = dis.opmap["RAISE_VARARGS"]

# {kind: {"accepted" or name of an error: inputs}}
counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)


class UsersError(Exception):
    """An error of the user's own code, which passes through as it is."""


def is_told(error: BaseException) -> bool:
    """Return whether an error is in our words: a `raise` of ours is the last of its frames.

    An error of the system that names a file is in words that users know, and one of the user's code
    is the user's own.
    """
    if isinstance(error, UsersError) or (isinstance(error, OSError) and error.filename):
        return True
    place = error.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    code: types.CodeType = place.tb_frame.f_code
    return (
        isinstance(error, KINDS_OF_ERRORS)
        and any(package in code.co_filename for package in OURS)
        and "/tests/" not in code.co_filename
        and code.co_code[place.tb_lasti] == RAISE
        and bool(str(error))
    )


def try_one(kind: str, body, *drawn):
    """Call a function, which raises an AssertionError if a result is wrong; count what comes."""
    signal.signal(signal.SIGPROF, _hangs)
    signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_OF_ONE)
    signal.alarm(SECONDS_AT_MOST)
    try:
        body(*drawn)
    except Exception as error:
        if not is_told(error):
            raise
        counts[kind][type(error).__name__] += 1
    else:
        counts[kind]["accepted"] += 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def attempt(kind: str, milliseconds: float, *strategies):
    """Decorate a function of drawn inputs: try it on some now, and on all that time allows.

    By default it is a sixth of a second of inputs, under the profile `many` ten times as much, and
    with `FUZZ_MINUTES` a share of them.

    Args:
        kind: of inputs, as counted.
        milliseconds: that an input takes.
        strategies: of the arguments.
    """

    def tried(body):
        most = max(1, int(4 * settings().max_examples / milliseconds))
        end = time.monotonic() + 60 * MINUTES / KINDS
        while True:
            check = given(st.tuples(*strategies))(lambda drawn: try_one(kind, body, *drawn))
            settings(max_examples=min(most, ROUND) if MINUTES else most)(check)()
            if time.monotonic() >= end:
                break
        if MINUTES:
            _tell(kind)
        return body

    return tried


def _tell(kind):
    """Print what came of a kind of inputs, and write all counts so far as JSON."""
    found = counts[kind]
    refused = ", ".join(f"{n} {name}" for name, n in found.most_common() if name != "accepted")
    print(f"\n{kind}: {found.total()} inputs, {found['accepted']} accepted, {refused or 'none'}")
    told = {"minutes": MINUTES, "inputs": {k: dict(c) for k, c in sorted(counts.items())}}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _hangs(*_):
    raise TimeoutError("An input takes too long")
