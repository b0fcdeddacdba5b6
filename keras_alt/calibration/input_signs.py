"""The format of inputs, from the sign of their data."""

import keras
import numpy as np

from keras_alt.calibration.batches import read_batches

SAMPLES, BATCH_SIZE = 256, 32  # what `calibrate` reads by default


def inputs_by_sign(model: keras.Model, data) -> tuple[str, list[np.ndarray]]:
    """Return the format of inputs whose sign follows from data, and the samples read.

    Args:
        model: functional model that takes `data`.
        data: as for `keras_alt.calibrate`. An iterator is read, so calibrate on the samples.

    Returns:
        `(format, samples)`. `format` is "uint8" if no value is negative, else "int8". `samples` has
        an array for each input of the model.
    """
    batches = read_batches(model, data, SAMPLES, BATCH_SIZE)
    samples = [np.concatenate(arrays) for arrays in zip(*batches, strict=True)]
    negative = any(array.min() < 0 for array in samples)
    return "int8" if negative else "uint8", samples
