"""Checks of a certificate against a model, or against exported integers."""

import json
import os

import keras

from keras_alt.certificate import checker
from keras_alt.engines.integer.export import Description, as_text
from keras_alt.integer import read


def check_certificate(path: str | os.PathLike, model: keras.Model | str | os.PathLike) -> list[str]:
    """Recompute the bounds of a certificate, and return what is wrong with it.

    The checker shares no code with what wrote the certificate. It is two files that need NumPy
    alone, `checker.py` and `checker_rules.py` in `keras_alt/certificate`:
    `python checker.py certificate.json folder`.

    Args:
        path: certificate as JSON, from `keras_alt.report(q).certificate("certificate.json")`.
        model: quantized model, or the folder that `keras_alt.export.to_integers` wrote.

    Returns:
        Sentences that name the layer; none if the certificate is right about the model. A
        certificate that is right may still leave sums unproven, which it lists under `open`.

    Example:

    ```python
    keras_alt.report(quantized).certificate("certificate.json")
    problems = keras_alt.check_certificate("certificate.json", quantized)
    ```
    """
    if not isinstance(model, keras.Model):
        return checker.check_folder(path, model)
    with open(path, encoding="utf-8") as file:
        certificate = json.load(file)
    reading = read(model)
    description = Description(reading)
    program = json.loads(as_text({"target": reading.target, **description.program()}))
    return checker.problems(certificate, program, description.packed())
