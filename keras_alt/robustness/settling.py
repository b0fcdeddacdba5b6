"""A quantized model whose file gives equal codes on every engine, by construction."""

from dataclasses import replace

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.walk import calibrate
from keras_alt.config import QuantizeConfig
from keras_alt.integer import Program, read
from keras_alt.integer.grids import rounded
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.origin import require_keras3
from keras_alt.quantizer import quantizers
from keras_alt.retargeting import quantized_again, required_record
from keras_alt.robustness.averages import averages_to_depthwise, shared_evenly
from keras_alt.robustness.sites import BESIDE, Site, sites
from keras_alt.targets import ON_PRODUCT_GRID, get_target

STORED = 8  # bits of the kernels in the file
SPARE = 1  # of them, that stay zero
LINEAR = ("add", "subtract", "maximum", "minimum", "concatenate", *BESIDE)
# What is left of a bias modulo 4, by the shift of the sums, if products are multiples of 4 or 2.
# A larger shift has the last entry.
REMAINDERS = {4: [(0, 1, 2, 3), (0, 2), (3,), (1,)], 2: [(0, 1, 2, 3), (0, 2), (1, 3), (1, 3)]}


def settle(model: keras.Model, calibration_data=None) -> keras.Model:
    """Return `model` changed by less than a step, such that no rounding depends on the engine.

    - Weights are even codes of 8 bits, and biases odd: no sum is a tie. A kernel of 7 bits or fewer
      keeps its weights; one of 8 bits is rounded to 7. A bias moves by 2.5 steps of the products
      at most. `to_litert` lowers the scale of such a kernel by a digit of float32, which makes TFLM
      round once. With 6 bits or fewer, weights are multiples of 4, and even TFLM's two roundings
      agree with one.
    - The steps of what is added, or moved to another grid, are at least that of the result, so
      nothing is rounded. Tensors may lose a bit where they were finer.
    - Averages over images become depthwise convolutions, whose weights differ by one code at most.

    `keras_alt.robust` tells what is left: products of two tensors, averages over lines, volumes and
    padded windows, kernels without a bias. What is trained afterwards is not settled: train with
    `weights=7` or less first.

    Args:
        model: from `keras_alt.quantize_model`, for target "litert" or "onnx"; not changed.
        calibration_data: inputs as for `keras_alt.calibrate`, if the model has averages.

    Returns:
        New `keras.Model` for the same target.

    Raises:
        ValueError: the model is for another target, or thresholds are not set.

    Example:

    ```python
    settled = keras_alt.settle(quantized, x_train[:64])
    assert keras_alt.robust(settled, x_test[:64])
    keras_alt.export.to_litert(settled, "net.tflite")  # XNNPACK and TFLM give the same codes
    ```
    """
    require_keras3(model)
    record = required_record(model)
    _check(record.config)
    pools = []

    def change(plain):
        changed, names = averages_to_depthwise(plain)
        pools.extend(names)
        return changed

    result, kept = quantized_again(model, record, _stored(record.config), change)
    if calibration_data is not None:
        calibrate(result, calibration_data, keep=kept, verbose=False)
    bits = {name: quantizer.format.bits for name, quantizer in quantizers(model).items()}
    for layer in _kernel_layers(result):
        _even(layer, bits, layer.name in pools)
    _coarsen(result)
    _settle_biases(result)
    return result


def _check(config: QuantizeConfig):
    target = get_target(config.target)
    if target.bias_rule != ON_PRODUCT_GRID or target.kernel != "half_even":
        raise ValueError(
            "`settle` needs biases on the grid of the products, and sums that are rounded once: "
            "`keras_alt.retarget(model, 'litert')` first, whose settled files run on TFLM too. "
            f"Received: target={config.target!r}"
        )


def _stored(config: QuantizeConfig) -> QuantizeConfig:
    """Return a configuration with kernels of as many bits as a file stores."""

    def widened(bits):
        return None if bits is None else STORED

    overrides = {
        glob: {k: widened(v) if k == "weights" else v for k, v in widths.items()}
        for glob, widths in config.overrides.items()
    }
    names = ("weights", "first_and_last_weights")
    widths = {name: widened(getattr(config, name)) for name in names}
    return replace(config, **widths, overrides=overrides)


def _kernel_layers(model):
    return [layer for layer in model.layers if isinstance(layer, QuantizedKernel)]


def _even(layer: QuantizedKernel, bits: dict[str, int], is_average: bool):
    """Round the kernels of a layer to codes with a spare bit."""
    for role, kernel in layer.kernels().items():
        quantizer = getattr(layer, f"{role}_quantizer")
        if quantizer is None:
            continue
        values = ops.convert_to_numpy(kernel)
        width = min(bits.get(f"{layer.name}/{role}", STORED), STORED - SPARE)
        most = 2 ** (width - 1) - 1
        if is_average:  # the lowest power of two with room for every weight
            quantizer.set_threshold(2.0 ** np.ceil(np.log2(values.max() * (most + 1) / most)))
        exponent = quantizer.exponent + STORED - width
        if is_average:
            kernel.assign(shared_evenly(values, 2.0 ** float(np.max(exponent))))
        else:
            kernel.assign(np.ldexp(rounded(values, exponent, -most, most).astype(float), exponent))


def _coarsen(model: keras.Model):
    """Raise thresholds until no sum or tensor is moved to a coarser grid."""
    program, found = read(model).program, quantizers(model)
    merges = [s for s in sites(program) if all(p.operation in LINEAR for p in s.path)]
    merges = [(s.codes.name, _operands(program, s, found)) for s in merges]
    names = {name for result, operands in merges for name in (result, *operands)}
    exponents = {name: found[name].exponent for name in names}
    before = dict(exponents)
    for _ in range(len(merges) + 1):
        for result, operands in merges:
            for name in operands:
                exponents[name] = max(exponents[name], exponents[result])
    for name, exponent in exponents.items():
        if exponent > before[name]:
            variable = found[name].log2_threshold
            variable.assign(variable + float(exponent - before[name]))


def _operands(program: Program, site: Site, found: dict) -> list[str]:
    """Return the names of the quantizers whose codes a site adds or moves."""
    producers = {step.output: step for step in program.steps}
    waiting, names = list(site.step.inputs), []
    while waiting:
        position = waiting.pop()
        if program.tensors[position].name in found:
            names.append(program.tensors[position].name)
        elif position in producers:
            waiting.extend(producers[position].inputs)
    return names


def _settle_biases(model: keras.Model):
    """Move biases such that the remainders of their codes fit the shifts behind them."""
    layers = {layer.name: layer for layer in _kernel_layers(model)}
    fitting = {}
    for site in sites(read(model).program):
        biases = [step for step in site.path if step.operation == "add_constant"]
        if site.kind != "kernel" or len(biases) != 1 or any(biases[0].attributes["shifts"]):
            continue
        kernel, bias = site.path[0].attributes["kernel"], biases[0].attributes["constant"]
        by_shift = REMAINDERS[2 if np.any(kernel.codes % 4) else 4]
        remainders = by_shift[min(max(site.shift, 0), len(by_shift) - 1)]
        every = np.ones((bias.codes.size, 4), bool)
        _, fits = fitting.setdefault(biases[0].layer, (bias, every))
        fits[site.channels] &= np.isin(np.arange(4), remainders)
    for name, (bias, fits) in fitting.items():
        if name in layers:
            codes = _nearest(bias.codes, fits).astype(np.float64)
            layers[name].bias.assign(np.ldexp(codes, bias.exponents))


def _nearest(codes: np.ndarray, fits: np.ndarray) -> np.ndarray:
    """Return the nearest codes whose remainder modulo 4 fits; a code for which none does stays."""
    moves = np.array([0, 1, -1, 2])
    moved = codes[:, None] + moves
    return codes + moves[np.take_along_axis(fits, moved % 4, axis=1).argmax(axis=1)]
