"""The workers that calibrate one model together, each on a shard of the data."""

import contextlib
from collections.abc import Callable, Iterable

import numpy as np

from keras_alt.calibration.histogram import Histogram
from keras_alt.numerics.backend import numerics

AllGather = Callable[[np.ndarray], Iterable]


def all_gather(array: np.ndarray) -> list[np.ndarray]:
    """Return the int32 arrays of all workers, in the same order on each.

    Workers are those of `tf.distribute.MultiWorkerMirroredStrategy`, inside its scope, of
    `jax.distributed`, or of torch's process group. Every worker must call it, with an array of the
    same shape. Without others, the result has the given array only.

    Example:

    ```python
    keras_alt.calibrate(q, shard, all_gather=keras_alt.calibration.all_gather)
    ```
    """
    return [np.asarray(row) for row in numerics.all_gather(array)]


class Workers:
    """Exchanges what each worker has seen.

    All workers make the same exchanges in the same order, for they walk through the same graph. An
    error on one worker ends the calibration on all of them.

    Args:
        all_gather: as for `keras_alt.calibrate`; None if there is one worker.
    """

    def __init__(self, all_gather: AllGather | None = None):
        if all_gather is not None and not callable(all_gather):
            raise TypeError(
                "`all_gather` must be a function that takes an array and returns those of all "
                f"workers. Received: all_gather={all_gather!r}"
            )
        self._all_gather = all_gather
        self._is_over = all_gather is None

    def merged(self, histogram: Histogram) -> Histogram:
        """Return the histogram of what all workers have seen."""
        if self._all_gather is None:
            return histogram
        result = Histogram()
        for content in self.gather(histogram.to_bytes()):
            result.merge(Histogram.from_bytes(content))
        return result

    def all(self, fact: bool) -> bool:
        """Return whether a fact is true on every worker."""
        return all(map(any, self.gather(bytes([fact]))))

    def require_same(self, what: str, content: bytes):
        """Check that the workers agree.

        Args:
            what: they must agree on, for the error.
            content: must be the same on every worker.

        Raises:
            ValueError: it is not.
        """
        contents = self.gather(content)
        if len(set(contents)) > 1:
            raise ValueError(
                f"All workers must have the same {what}. Build the model from one file or one "
                "seed, and call `calibrate` with the same arguments. "
                f"Received: {len(set(contents))} different ones on {len(contents)} workers"
            )

    def gather(self, content: bytes) -> list[bytes]:
        """Return the contents of all workers, in an order that is the same on each.

        Raises:
            RuntimeError: a worker had an error.
        """
        if self._all_gather is None:
            return [content]
        contents, failed = self._exchange(content, failed=False)
        if any(failed):
            self._is_over = True
            index = failed.index(True)
            raise RuntimeError(
                "`calibrate` ends on all workers, because one had an error. "
                f"Received from worker {index}: {contents[index].decode()}"
            )
        return contents

    @contextlib.contextmanager
    def told_of_errors(self):
        """Tell the others of an error in this context, for they wait for this worker."""
        try:
            yield
        except Exception as error:
            if not self._is_over:
                self._exchange(f"{type(error).__name__}: {error}".encode(), failed=True)
            raise

    def _exchange(self, content, failed):
        """Return the contents of all workers, and whether each has failed."""
        self._is_over = True  # if `all_gather` raises an error, nobody can be told
        headers = self._gathered(np.array([failed, len(content)], np.int32))
        longest = max(int(length) for _, length in headers)
        # Few lengths: TensorFlow and JAX compile an exchange for each shape.
        words = np.zeros(1 << max(0, longest - 1).bit_length() >> 2 or 1, np.int32)
        words.view(np.uint8)[: len(content)] = np.frombuffer(content, np.uint8)
        rows = self._gathered(words)
        contents = [row.tobytes()[:size] for row, (_, size) in zip(rows, headers, strict=True)]
        self._is_over = failed
        return contents, [bool(flag) for flag, _ in headers]

    def _gathered(self, array):
        # 32 bits: JAX has no more by default, and TensorFlow gathers no bytes.
        rows = [np.asarray(row) for row in self._all_gather(array)]
        wrong = [row for row in rows if row.shape != array.shape or row.dtype != array.dtype]
        if wrong or not rows:
            received = ", ".join(f"{row.dtype}{row.shape}" for row in rows) or "nothing"
            raise ValueError(
                "`all_gather` must return the arrays of all workers, each of the shape and type of "
                f"the one that it takes, {array.dtype}{array.shape}. Received: {received}"
            )
        return rows
