"""Computation of a quantized Keras model in integers."""

import keras
import numpy as np
from keras import ops

from keras_alt.integer.engine import trace
from keras_alt.integer.grids import rounded
from keras_alt.integer.reading import Reading
from keras_alt.number_checks import require_finite, require_numbers, whole_number
from keras_alt.progress import progress_bar


def run(reading: Reading, x, batch_size: int = 32, verbose: bool = True) -> list[np.ndarray]:
    """Return the output codes of a model. Behind the input quantizers, all is integers.

    Args:
        reading: from `keras_alt.integer.read`.
        x: inputs as the Keras model takes them: an array or a structure of arrays.
        batch_size: how many samples are computed at a time.
        verbose: whether to show a progress bar.

    Returns:
        One int64 array for each position in `reading.program.outputs`.

    Raises:
        NotIntegerError: float layers lie between quantizers; the message names them.
    """
    reading.require_integers("`keras_alt.integer.run`")
    whole_number("batch_size", batch_size)
    program = reading.program
    codes = quantize_inputs(reading, x)
    count = len(codes[0])
    progress = progress_bar(count, "sample", verbose)
    results = []
    for start in range(0, count, batch_size):
        batch = [c[start : start + batch_size] for c in codes]
        values = trace(program, batch, keep=program.outputs)
        results.append([values[position] for position in program.outputs])
        progress.add(len(batch[0]))
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


def input_arrays(reading: Reading, x) -> list[np.ndarray]:
    """Return one array for each input of the Keras model, in the order of its inputs.

    Args:
        reading: from `keras_alt.integer.read`.
        x: inputs as the Keras model takes them.

    Raises:
        ValueError: `x` has other inputs or shapes than the model, has no samples, has a different
            number of samples for some input, or is not finite.
    """
    tensors, keys = reading.entry.inputs, reading.input_keys
    if isinstance(x, dict):
        if set(x) != set(keys):
            raise ValueError(f"`x` must have the keys {keys}. Received: {list(x)}")
        x = [x[key] for key in keys]
    arrays = [np.asarray(a) for a in keras.tree.flatten(x)]
    if len(arrays) != len(tensors):
        raise ValueError(
            f"Model '{reading.program.name}' has {len(tensors)} inputs. "
            f"Received: {len(arrays)} in `x`."
        )
    for tensor, array in zip(tensors, arrays, strict=True):
        _check(tensor, array)
    counts = [len(array) for array in arrays]
    if len(set(counts)) > 1 or not counts[0]:
        raise ValueError(
            "`x` must hold at least one sample, and as many for each input. "
            f"Received: {' and '.join(map(str, counts))} samples"
        )
    return arrays


def quantize_inputs(reading: Reading, x) -> list[np.ndarray]:
    """Return the codes of the input quantizers, for inputs as `input_arrays` takes them."""
    program, arrays = reading.program, input_arrays(reading, x)
    entries = keras.tree.flatten(reading.entry(arrays, training=False))
    results = []
    entries = entries[: len(program.inputs)]  # others are floats that pass by
    for entry, position, rounding in zip(entries, program.inputs, reading.roundings, strict=True):
        tensor = program.tensors[position]
        values = ops.convert_to_numpy(entry)
        results.append(rounded(values, tensor.exponent, tensor.low, tensor.high, rounding))
    return results


def _check(tensor, array):
    expected = tensor.shape
    fits = len(array.shape) == len(expected) and all(
        e is None or e == r for e, r in zip(expected[1:], array.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            f"Input '{tensor.name}' expects shape {expected}. Received: x.shape={array.shape}"
        )
    require_numbers(array, f"Input '{tensor.name}'")
    require_finite(array, f"Input '{tensor.name}'")
