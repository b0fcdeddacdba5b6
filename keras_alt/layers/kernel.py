"""What the Quant layers share: quantized kernel, accumulator, bias and output."""

import keras

from keras_alt.config import check_weight_scales
from keras_alt.formats import FixedPoint
from keras_alt.keras_internals import kernel_variable
from keras_alt.layers.batch_norm import FoldedBatchNorm
from keras_alt.layers.bias_rule import (
    PRODUCT_GRID,
    accumulated,
    accumulator_and_bias,
    is_beside_accumulator,
    on_product_grid,
    product_exponent,
)
from keras_alt.layers.channels import along_channels, channel_axis
from keras_alt.layers.child_quantizers import (
    build_child,
    child_mask,
    child_quantizer,
    computes_activation,
    has_trainable_thresholds,
    output_quantizer,
    quantized,
    three_sigma_initializer,
)
from keras_alt.layers.folding import folded
from keras_alt.layers.frozen_weights import FrozenWeights, without_frozen
from keras_alt.layers.mask import KernelMask
from keras_alt.numerics.rounding import STEPPED
from keras_alt.quantizer import InFloat32, Quantizer, quantizers_of
from keras_alt.record import CarriesRecord
from keras_alt.targets import get_target


class QuantizedKernel(CarriesRecord, InFloat32):
    """Mixin in front of a Keras layer with `kernel` and `bias`: quantizes in `call`.

    It computes `q8(f(q16(sum q8(w) * q8(x)) + q16(b)))`, the precision of the paper's compute
    layers. In every other respect the layer is its Keras twin, and if all widths are None, in
    every respect. A subclass defines `linear(inputs, kernel)`, the product of both.

    Args:
        kernel_bits: width of the kernel, or None for float. The threshold starts at three standard
            deviations of the initial kernel.
        bias_bits, accumulator_bits: widths of bias and sum, or None for float. They share one
            threshold if the widths agree.
        activation_bits: width of the output, or None for float. It is unsigned after a function
            that is never negative.
        initial_threshold: clipping threshold of the output; by default 1, or 6 after ReLU6.
        target: name of an engine's rules in `keras_alt.targets.TARGETS`. They may put the bias on
            the product grid instead of beside the accumulator (see `bias_on_product_grid`).
        batch_norm: arguments of a `FoldedBatchNorm` that follows the sum, or None.
        sparse: whether a `KernelMask` holds weights of the kernel at zero.
        trainable_thresholds: whether the thresholds train.
        kernel_scales: `"tensor"` gives a kernel one threshold, `"channel"` gives each output
            channel its own.
    """

    role = "kernel"  # of the kernel that takes part in the sum
    output_axes = (-1,)  # of a kernel, along which its output channels lie

    def __init__(
        self,
        *args,
        kernel_bits: int | None = 8,
        bias_bits: int | None = 16,
        accumulator_bits: int | None = 16,
        activation_bits: int | None = 8,
        initial_threshold: float | None = None,
        target: str = "paper",
        batch_norm: dict | None = None,
        sparse: bool = False,
        trainable_thresholds: bool = True,
        kernel_scales: str = "tensor",
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        check_weight_scales("kernel_scales", kernel_scales)
        if kernel_scales == "channel" and get_target(target).kernel in STEPPED:
            raise NotImplementedError(
                f"Target '{target}' takes one scale for each kernel, because its engines round by "
                "the step of the sums: leave `weight_scales` at 'tensor'. "
                f"Received: kernel_scales={kernel_scales!r}, layer '{self.name}'"
            )
        self.kernel_scales = kernel_scales
        self.trainable_thresholds = trainable_thresholds
        self.kernel_bits = kernel_bits
        self.bias_bits = bias_bits
        self.accumulator_bits = accumulator_bits
        self.activation_bits = activation_bits
        self.initial_threshold = initial_threshold
        self.target = target
        self.batch_norm = None
        if batch_norm is not None:
            self.batch_norm = FoldedBatchNorm(
                **batch_norm, name="batch_norm", dtype=self.dtype_policy
            )
        self.sparse = sparse
        self.frozen_weights = FrozenWeights()
        self.create_kernel_children()
        self.accumulator_quantizer, self.bias_quantizer = accumulator_and_bias(self)
        self.activation_quantizer = output_quantizer(self)

    def create_kernel_children(self):
        """Set the quantizer and the mask of each kernel."""
        self.kernel_quantizer = self.quantizer_of_kernel("kernel", self.output_axes)
        self.kernel_mask = child_mask(self, "kernel")

    def quantizer_of_kernel(self, role: str, output_axes: tuple[int, ...]) -> Quantizer | None:
        """Return a new quantizer of the kernel with this role; None if kernels are float."""
        axes = output_axes if self.kernel_scales == "channel" else ()
        return child_quantizer(self, role, self.kernel_format(), channel_axes=axes)

    def kernel_format(self) -> FixedPoint | None:
        """Return the format of the kernel's codes."""
        if self.kernel_bits is None:
            return None
        return FixedPoint(self.kernel_bits, narrow=get_target(self.target).narrow_weights)

    def kernels(self) -> dict[str, keras.Variable]:
        """Return the kernel behind each kernel quantizer's role."""
        return {"kernel": kernel_variable(self)}

    def kernel_scale(self, scale):
        """Return a factor for each output channel in a shape that broadcasts over the kernel."""
        return scale

    @property
    def is_quantized(self) -> bool:
        """Whether any width is set; otherwise the layer is its Keras twin."""
        return self.needs_float32 or self.sparse

    @property
    def needs_float32(self) -> bool:
        return self.batch_norm is not None or bool(quantizers_of(self))

    @property
    def has_bias(self) -> bool:
        """Whether a bias is added: the layer's own or that of the folded batch norm."""
        return self.use_bias or self.batch_norm is not None

    @property
    def bias_on_product_grid(self) -> bool:
        """Whether the bias has 32-bit codes at the product of the input's and the kernel's scale.

        Then `call` expects the scale exponent of its input. Otherwise the bias is float, or rounded
        beside the accumulator.
        """
        is_quantized = self.bias_bits is not None and self.kernel_bits is not None
        return is_quantized and self.has_bias and not is_beside_accumulator(self.target)

    @property
    def bias_width(self) -> int | None:
        """Bits of the bias, None for float."""
        if self.bias_bits is None or not self.has_bias:
            return None
        return PRODUCT_GRID.bits if self.bias_on_product_grid else self.bias_bits

    def mask_of(self, role: str) -> KernelMask | None:
        """Return the mask of a kernel, None unless the layer is sparse."""
        return getattr(self, f"{role}_mask")

    def masked(self, role: str, kernel):
        """Return `kernel` behind the mask of its role, if it has one."""
        mask = self.mask_of(role)
        return kernel if mask is None else mask(kernel)

    def set_mask(self, role: str, mask):
        """Set the mask of a kernel, a boolean array of its shape, and the hidden weights to 0.

        Raises:
            ValueError: the shape does not fit.
        """
        self.mask_of(role).hide(mask, self.kernels()[role], f"{self.name}/{role}")

    def constants(self) -> list:
        """Return `(quantizer, tensor)` for each kernel, as it is quantized outside training."""
        constants = []
        for role, kernel in self.kernels().items():
            quantizer = getattr(self, f"{role}_quantizer")
            if quantizer is not None:
                in_sum = role == self.role
                kernel = folded(self).kernel if in_sum else self.masked(role, kernel)
                constants.append((quantizer, kernel))
        return constants

    def folded_bias(self):
        """Return the bias outside training, that of a folded batch norm included, or None."""
        return folded(self).bias

    def build(self, input_shape):
        super().build(input_shape)
        if self.batch_norm is not None:
            channels = self.compute_output_shape(input_shape)[channel_axis(self)]
            build_child(self.batch_norm, (channels,))
        for role, kernel in self.kernels().items():
            quantizer = getattr(self, f"{role}_quantizer")
            if quantizer is not None:
                quantizer.initializer = three_sigma_initializer(kernel)
            build_child(quantizer, kernel.shape)
            build_child(self.mask_of(role), kernel.shape)
        build_child(self.accumulator_quantizer)
        build_child(self.bias_quantizer)
        build_child(self.activation_quantizer)

    def call(self, inputs, input_exponent=None, with_exponent=False, training=None):
        """Return the activation of the sum, and log2 of the step of the sum if `with_exponent`."""
        if not self.is_quantized:
            return super().call(inputs)
        kernel, bias, correction = folded(self, inputs if training else None)
        if self.kernel_quantizer is not None:
            kernel = quantized(self.kernel_quantizer, kernel, training)
        y = self.linear(inputs, kernel)
        if correction is not None:
            y = y * along_channels(self, correction)
        exponent = product_exponent(self, input_exponent)
        if self.bias_on_product_grid:
            bias = on_product_grid(self, bias, exponent)
        elif bias is not None and self.bias_quantizer is not None:
            bias = quantized(self.bias_quantizer, bias, training)
        y = self.activated(accumulated(self, y, bias, training), training, exponent)
        return (y, exponent) if with_exponent else y

    def compute_output_spec(self, inputs, with_exponent=False, **arguments):
        y = super().compute_output_spec(inputs)
        return (y, keras.KerasTensor((), dtype="float32")) if with_exponent else y

    def activated(self, y, training, exponent):
        """Return the activation of the sum `y`, quantized if it has a width.

        `exponent` is log2 of the step of the sum, None if it is not known.
        """
        quantizer = self.activation_quantizer
        in_quantizer = quantizer is not None and computes_activation(self)
        if self.activation is not None and not in_quantizer:
            y = self.activation(y)
        return y if quantizer is None else self.rounded(quantizer, y, exponent, training)

    def rounded(self, quantizer: Quantizer, y, exponent, training):
        """Return what the engine of the target rounds the sum `y` to."""
        exponents = () if exponent is None else (exponent,)
        rounding = get_target(self.target).kernel
        return quantizer(y, rounding=rounding, input_exponents=exponents, training=training)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        self.frozen_weights.save(store)

    def load_own_variables(self, store):
        entries = dict(store)
        super().load_own_variables(without_frozen(entries))
        if self.built:
            self.frozen_weights.load(entries, self.kernels())

    def get_config(self):
        config = {
            **super().get_config(),
            "kernel_bits": self.kernel_bits,
            "bias_bits": self.bias_bits,
            "accumulator_bits": self.accumulator_bits,
            "activation_bits": self.activation_bits,
        }
        if self.initial_threshold is not None:
            config["initial_threshold"] = self.initial_threshold
        if self.target != "paper":
            config["target"] = self.target
        if self.batch_norm is not None:
            config["batch_norm"] = self.batch_norm.arguments()
        if self.sparse:
            config["sparse"] = True
        if not has_trainable_thresholds(self):
            config["trainable_thresholds"] = False
        if self.kernel_scales != "tensor":
            config["kernel_scales"] = self.kernel_scales
        return config
