"""The precision and rounding rules of each engine, as data."""

from collections.abc import Sequence
from dataclasses import dataclass

from keras_alt.choices import is_choice

BESIDE_ACCUMULATOR = "beside the accumulator"
ON_PRODUCT_GRID = "on the product grid"


@dataclass(frozen=True)
class Target:
    """The precision and rounding rules of an engine.

    A rounding is the name of a function in `keras_alt.numerics.rounding`.

    Attributes:
        name: key in `TARGETS`.
        bias_rule: grid of the bias of a kernel layer. `BESIDE_ACCUMULATOR`: the sum and the bias
            are quantized with one trained threshold, to 16 bits each in the paper.
            `ON_PRODUCT_GRID`: the bias has 32 bits, its scale is the scale of the input times that
            of the kernel, and the sum is exact.
        sum_bits: bits of the engine's accumulator; None if it is as wide as the sum needs.
        narrow_weights: whether kernels leave out the lowest signed code.
        quantize: rounding of floating-point values that become codes.
        kernel: rounding of sums of products, with a kernel or of two matrices.
        add: rounding of additions.
        average_pool: rounding of average pools.
        mean: rounding of the mean over all positions.
        multiply: rounding of the product of two tensors.
        rescale: rounding of a tensor that moves from one grid to another.
        leaky_bits: bits inside a leaky ReLU; None for those of `QuantizeConfig.accumulators`.
        pool_as_depthwise: whether an average pool becomes a depthwise convolution with a quantized
            reciprocal. If not, the output of the pool keeps the scale of the input.
        float_layers: layers that the engine cannot compute in integers, by the names of their
            classes, or of the Quant layers that would take their places.
        signed_matrices: whether the second factor of a matrix product of two tensors has a sign.
        engines: engines of `keras_alt.verify` that follow these rules.
        weight_bits, activation_bits: widths that the target's own format stores, such as a LiteRT
            file; empty if it stores any. Wider codes are refused when a model is quantized.
    """

    name: str
    bias_rule: str
    sum_bits: int | None = None
    narrow_weights: bool = False
    quantize: str = "half_even"
    kernel: str = "half_even"
    add: str = "half_even"
    average_pool: str = "half_even"
    mean: str = "half_even"
    multiply: str = "half_even"
    rescale: str = "half_even"
    leaky_bits: int | None = None
    pool_as_depthwise: bool = False
    float_layers: tuple[str, ...] = ()
    signed_matrices: bool = False
    engines: tuple[str, ...] = ("integer", "c", "cortex-m")
    weight_bits: Sequence[int] = ()
    activation_bits: Sequence[int] = ()


TARGETS = {
    target.name: target
    for target in (
        # Jain et al., 2019: 16-bit accumulators and biases, average pools rounded down.
        Target(
            "paper",
            bias_rule=BESIDE_ACCUMULATOR,
            average_pool="floor",
            mean="floor",
            pool_as_depthwise=True,
            engines=("integer", "c", "cortex-m", "qonnx", "hls4ml"),
        ),
        # Measured with LiteRT 2.3, XNNPACK delegate, x86-64 with VNNI.
        Target(
            "litert",
            bias_rule=ON_PRODUCT_GRID,
            sum_bits=32,
            narrow_weights=True,
            add="half_up",
            average_pool="half_away_stored",
            rescale="half_up",
            leaky_bits=8,
            float_layers=("AveragePooling3D",),
            signed_matrices=True,
            engines=("integer", "c", "cortex-m", "litert"),
            weight_bits=range(2, 9),
            activation_bits=(8,),
        ),
        # Measured with TFLM 0.dev20261023 and LiteRT 2.3, `OpResolverType.BUILTIN_REF`, x86-64.
        Target(
            "tflm",
            bias_rule=ON_PRODUCT_GRID,
            sum_bits=32,
            narrow_weights=True,
            quantize="half_away",
            kernel="double",
            add="half_away",
            average_pool="half_away_stored",
            mean="double",
            multiply="double",
            rescale="double",
            leaky_bits=8,
            float_layers=("AveragePooling3D", "QuantSoftmax", "Sum"),
            signed_matrices=True,
            engines=("integer", "c", "cortex-m", "tflm", "litert-reference"),
            weight_bits=range(2, 9),
            activation_bits=(8,),
        ),
        # Measured with ONNX Runtime 1.32, QDQ graphs on the CPU.
        Target(
            "onnx",
            bias_rule=ON_PRODUCT_GRID,
            sum_bits=32,
            engines=("integer", "c", "cortex-m", "onnxruntime"),
            activation_bits=range(2, 17),
        ),
        # `ap_fixed<W, I, AP_RND_CONV, AP_SAT>`.
        Target(
            "hls",
            bias_rule=BESIDE_ACCUMULATOR,
            pool_as_depthwise=True,
            engines=("integer", "c", "cortex-m", "qonnx", "hls4ml"),
        ),
    )
}


def get_target(name: str) -> Target:
    """Return the target called `name`.

    Raises:
        ValueError: there is no such target.
    """
    if not is_choice(name, TARGETS):
        raise ValueError(f"`target` must be one of {sorted(TARGETS)}. Received: target={name!r}")
    return TARGETS[name]
