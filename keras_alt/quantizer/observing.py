"""The watching of what quantizers round, by one function at a time."""

import contextlib
import threading
from collections.abc import Callable, Iterable

from keras_alt.quantizer.layer import Quantizer

_CLAIMS = threading.Lock()


@contextlib.contextmanager
def claimed(quantizers: Iterable[Quantizer], function: str):
    """Let no other thread claim the quantizers while the block runs.

    Args:
        function: what claims them, for the error.

    Raises:
        RuntimeError: another function watches one of them.
    """
    quantizers = list(quantizers)
    with _CLAIMS:
        busy = next((q for q in quantizers if q.claimed_by is not None), None)
        if busy is not None:
            raise RuntimeError(
                f"`{function}` must be alone in watching a model: wait for the thread that runs "
                f"`{busy.claimed_by}`, or give each thread a model of its own. "
                f"Received: quantizer '{busy.name}'"
            )
        for quantizer in quantizers:
            quantizer.claimed_by = function
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.claimed_by = None


@contextlib.contextmanager
def observed(quantizers: Iterable[Quantizer], observer: Callable):
    """Show `observer` what the quantizers, which are claimed, round while the block runs."""
    quantizers = list(quantizers)
    for quantizer in quantizers:
        quantizer.observer = observer
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.observer = None
