"""Proof that engines compute the codes of a Keras model."""

import contextlib
import os
from collections.abc import Iterable, Sequence

import keras

from keras_alt.choices import is_choice
from keras_alt.engine_matrix import EngineMatrix, compared_on
from keras_alt.engines import ENGINES
from keras_alt.engines.bundle import Bundle
from keras_alt.engines.fitting import require_fit
from keras_alt.engines.folders import folder_written_whole
from keras_alt.files import scratch_folder
from keras_alt.proving import Samples, Verification, proved, read_for


def verify(
    model: keras.Model,
    x,
    engine: str = "integer",
    bundle: str | os.PathLike | None = None,
    batch_size: int = 32,
    verbose: bool = True,
    engines: str | Sequence[str] | None = None,
) -> Verification | EngineMatrix:
    """Compare the codes of the Keras model with those that an engine computes.

    The model is exported by the public exporter, and the engine runs the file. The codes of every
    quantizer in the graph are compared. The output codes are those of the last quantizer before
    each output of the model. Behind float layers, see `Verification`.

    With `engines`, several engines are compared, and each row of the result tells what one of them
    makes of the model. There an engine need not follow the rules of the model's target: a file that
    holds no rounding rules, such as a LiteRT file, runs on every engine that reads it. Where codes
    differ, the row tells how the engine rounds. See `EngineMatrix`.

    Args:
        model: quantized and calibrated model from `keras_alt.quantize_model`. The engine must
            follow the rules of its target.
        x: inputs in the shapes that the model takes. Use about 1,000 real samples. A size that the
            model leaves open is that of `x`; the file is written for it.
        engine: "integer" (NumPy), "c" (by the system's compiler), "cortex-m" (the same C on an
            emulated board), "litert", "litert-reference", "tflm", "onnxruntime", "qonnx" (slow) or
            "hls4ml", or the name of another engine in `keras_alt.engines.ENGINES`.
        bundle: folder to write, new or empty; or None. It gets the exported files, the inputs, the
            expected output codes and `verify.py`. This script repeats the comparison on a machine
            with the engine. It needs no Keras. `keras_alt.engines.check_bundle` tells whether its
            files are as they were written.
        batch_size: number of samples per batch.
        verbose: whether to show a progress bar.
        engines: "all", or a list of names of engines, in place of `engine`.

    Returns:
        A `Verification`, or an `EngineMatrix` if `engines` is given.

    Raises:
        ValueError: the model has no integer form or is not calibrated, the engine does not follow
            the rules of its target, or `x` has NaN, no samples or a wrong shape.
        ImportError: the engine is not installed. The message says what to install.
        FileExistsError: `bundle` is a file or a folder that is not empty.
        RuntimeError: the engine does not show the codes of an output.

    Example:

    ```python
    result = keras_alt.verify(quantized, x_test, engine="integer")
    print(result)  # 0 of 512 output codes differ (by 0 at most), 256 samples, ...
    if not result:
        print(result.first_difference)
    print(keras_alt.verify(quantized, x_test, engines="all"))
    ```
    """
    model, reading = read_for(model, x)
    if engines is not None:
        names = _known(ENGINES if engines == "all" else engines)
        if bundle is not None:
            raise ValueError(
                "A bundle holds the proof of one engine: call `verify` with `engine`. "
                f"Received: bundle={bundle!r} and engines={engines!r}"
            )
        return compared_on(names, Samples.of(model, reading, x, batch_size), verbose)
    (engine,) = _known([engine])
    require_fit(reading, engine)
    samples = Samples.of(model, reading, x, batch_size)
    with scratch_folder() as folder, _destination(bundle) as destination:
        session = ENGINES[engine](reading, folder)
        record = None if destination is None else Bundle(session, folder, reading)

        def watch(batch):
            if record is not None:
                outputs = [batch.keras[position] for position in reading.ends()]
                record.add(batch.arrays, batch.quantized, outputs)

        result = proved(samples, engine, session, verbose, watch)
        if record is not None:
            record.write(destination, result)
    return result


def _destination(bundle):
    """Return a context manager that gives the folder of the bundle, or None without a bundle."""
    return contextlib.nullcontext() if bundle is None else folder_written_whole(bundle)


def _known(engines) -> list[str]:
    """Return names of engines; raise an error for those that are not in the table."""
    if isinstance(engines, str):
        raise ValueError(
            "`engines` must be 'all' or a list of names; one engine is `engine`. "
            f"Received: engines={engines!r}"
        )
    if not isinstance(engines, Iterable):
        raise TypeError(
            f"`engines` must be 'all' or a list of names. Received: engines={engines!r}"
        )
    for name in engines:
        if not is_choice(name, ENGINES):
            raise ValueError(
                f"`engine` must be one of {sorted(ENGINES)}. Received: engine={name!r}"
            )
    return list(engines)
