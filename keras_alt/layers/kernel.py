"""What the Quant layers share: quantized kernel, accumulator, bias and output."""

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.keras_internals import kernel_variable, sublayers
from keras_alt.layers.batch_norm import FoldedBatchNorm
from keras_alt.layers.mask import KernelMask
from keras_alt.numerics.closed_form import exact_log2
from keras_alt.numerics.fake_quant import QuantizedSum, fake_quant, remember_sum
from keras_alt.quantizer import RELU_MAX, InFloat32, Quantizer
from keras_alt.targets import get_target

# Functions whose values are never negative, so that their codes need no sign.
UNSIGNED_ACTIVATIONS = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softmax", "softplus")
# The pre-activation sum may exceed the output's range; 16 bit have the room for three more.
ACCUMULATOR_HEADROOM = 8.0


class QuantizedKernel(InFloat32):
    """Mixin in front of a Keras layer with `kernel` and `bias`: quantizes in `call`.

    `q8(f(q16(sum q8(w) * q8(x)) + q16(b)))`, the precision of the paper's compute layers. The
    layer is its Keras twin in every other respect, and where all widths are None in every respect.

    Args:
        kernel_bits: width of the kernel, or None for float. Its threshold starts at three
            standard deviations of the initial kernel.
        bias_bits, accumulator_bits: widths of bias and sum. They share one threshold while the
            widths agree.
        activation_bits: width of the output; unsigned after a function that is never negative.
        initial_threshold: clipping threshold of the output; by default 1, or 6 after ReLU6.
        target: name of the engine rules in `keras_alt.targets.TARGETS`. Targets without
            accumulator rules put the bias on the grid of the products instead, and then `call`
            wants the input's scale exponent.
        batch_norm: arguments of a `FoldedBatchNorm` that follows the sum, or None.
        sparse: whether a `KernelMask` holds weights of the kernel at zero.
    """

    role = "kernel"  # of the kernel that takes part in the sum

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
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
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
        self._create_kernel_quantizers()
        self._create_accumulator_quantizers()
        self._create_output_quantizer()

    def _create_kernel_quantizers(self):
        self.kernel_quantizer = self._quantizer(self.kernel_format(), "kernel")
        self.kernel_mask = self._mask("kernel")

    def _create_accumulator_quantizers(self):
        accumulates = get_target(self.target).accumulators
        widths = (self.accumulator_bits, self.bias_bits if self.has_bias else None)
        accumulator_bits, bias_bits = widths if accumulates else (None, None)
        initial = ACCUMULATOR_HEADROOM * self._initial_output_threshold()
        self.accumulator_quantizer = self._quantizer(
            _signed(accumulator_bits), "accumulator", initial
        )
        if bias_bits is not None and bias_bits == accumulator_bits:
            self.bias_quantizer = self.accumulator_quantizer
        else:
            self.bias_quantizer = self._quantizer(_signed(bias_bits), "bias", initial)

    def _create_output_quantizer(self):
        name = keras.activations.serialize(self.activation)
        name = name if isinstance(name, str) else None
        self._fuses_activation = name in RELU_MAX
        self.activation_quantizer = self._quantizer(
            self.activation_bits
            and FixedPoint(self.activation_bits, signed=name not in UNSIGNED_ACTIVATIONS),
            "activation",
            self._initial_output_threshold(),
            activation=name if self._fuses_activation else None,
        )

    def _quantizer(self, format, role, initial_threshold=None, **kwargs):
        if format is None:
            return None
        return Quantizer(
            format,
            initial_threshold=initial_threshold,
            role=role,
            name=f"{role}_quantizer",  # `.h5` cannot hold a group beside a dataset of its name
            dtype=self.dtype_policy,
            **kwargs,
        )

    def _mask(self, role):
        if not self.sparse:
            return None
        return KernelMask(name=f"{role}_mask", dtype=self.dtype_policy)

    def kernel_format(self) -> FixedPoint | None:
        """Return the format of the kernel's codes."""
        if self.kernel_bits is None:
            return None
        return FixedPoint(self.kernel_bits, narrow=get_target(self.target).narrow_weights)

    @property
    def has_bias(self) -> bool:
        """Whether a bias is added: the layer's own or that of the folded batch norm."""
        return self.use_bias or self.batch_norm is not None

    def _initial_output_threshold(self):
        if self.initial_threshold is not None:
            return self.initial_threshold
        return 6.0 if self.activation is keras.activations.relu6 else 1.0

    def kernels(self) -> dict[str, keras.Variable]:
        """Return the kernel behind each kernel quantizer's role."""
        return {"kernel": kernel_variable(self)}

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
        kernel = self.kernels()[role]
        if tuple(mask.shape) != tuple(kernel.shape):
            raise ValueError(
                f"The mask of '{self.name}/{role}' must have the kernel's shape "
                f"{tuple(kernel.shape)}. Received: mask.shape={tuple(mask.shape)}"
            )
        self.mask_of(role).mask.assign(mask)
        kernel.assign(self.masked(role, kernel))

    def constants(self) -> list:
        """Return `(quantizer, tensor)` for each kernel, as it is quantized outside training."""
        factor = None if self.batch_norm is None else self.batch_norm(None)[0]
        constants = []
        for role, kernel in self.kernels().items():
            quantizer = getattr(self, f"{role}_quantizer")
            if quantizer is not None:
                kernel = self.masked(role, kernel)
                kernel = kernel if factor is None else kernel * self.kernel_scale(factor)
                constants.append((quantizer, kernel))
        return constants

    def build(self, input_shape):
        super().build(input_shape)
        if self.batch_norm is not None and not self.batch_norm.built:
            self.batch_norm.build((self.output_channels(input_shape),))
        for role, kernel in self.kernels().items():
            quantizer, mask = getattr(self, f"{role}_quantizer"), self.mask_of(role)
            if quantizer is not None:
                quantizer.initializer = three_sigma_initializer(kernel)
            _build(quantizer)
            _build(mask, kernel.shape)
        for quantizer in (
            self.accumulator_quantizer,
            self.bias_quantizer,
            self.activation_quantizer,
        ):
            _build(quantizer)

    def output_channels(self, input_shape) -> int:
        """Return the length of the bias."""
        axis = 1 if getattr(self, "data_format", None) == "channels_first" else -1
        return self.compute_output_shape(input_shape)[axis]

    def call(self, inputs, input_exponent=None, training=None):
        if not self.is_quantized:
            return super().call(inputs)
        kernel, bias, correction = self._folded(inputs, training)
        if self.kernel_quantizer is not None:
            kernel, exponent = self.kernel_quantizer(kernel, training=training, with_exponent=True)
        y = self.linear(inputs, kernel)
        if correction is not None:
            y = y * self._along_channels(correction)
        if bias is not None:
            if self.bias_quantizer is not None:
                bias = self.bias_quantizer(bias, training=training)
            elif self._biases_at_product:
                bias = self._at_product_scale(bias, input_exponent, exponent)
        return self._finish(self._summed(y, bias, training), training)

    def _summed(self, y, bias, training):
        """Return `accumulator(y) + bias`."""
        total, accumulators = y, ()
        if self.accumulator_quantizer is not None:
            total = self.accumulator_quantizer(y, training=training)
            accumulators = (self.accumulator_quantizer.threshold_and_rules(),)
        if bias is None:
            return total
        total = ops.add(total, self._along_channels(bias))
        if training and not self._along_channels_first:
            remember_sum(total, QuantizedSum(y, bias, accumulators))
        return total

    @property
    def needs_float32(self) -> bool:
        return self.batch_norm is not None or super().needs_float32

    @property
    def is_quantized(self) -> bool:
        """Whether any width is set; otherwise the layer is its Keras twin."""
        return self.batch_norm is not None or any(
            isinstance(child, (Quantizer, KernelMask)) for child in sublayers(self)
        )

    @property
    def _biases_at_product(self):
        quantized = self.bias_bits is not None and self.kernel_bits is not None
        return quantized and self.has_bias and not get_target(self.target).accumulators

    @property
    def needs_input_exponent(self) -> bool:
        """Whether `call` wants the scale exponent of its input, for the bias."""
        return self._biases_at_product

    @property
    def bias_width(self) -> int | None:
        """Bits of the bias: 32 where it lies on the grid of the products, None for float."""
        if self.bias_bits is None or not self.has_bias:
            return None
        return 32 if self._biases_at_product else self.bias_bits

    def _folded(self, inputs, training):
        kernel = self.masked(self.role, self.kernel)
        bias = self.bias if self.use_bias else None
        if self.batch_norm is None:
            return kernel, bias, None
        raw = None
        if training:
            raw = self.linear(inputs, kernel)
            raw = raw if bias is None else ops.add(raw, self._along_channels(bias))
        axis = 1 if self._along_channels_first else -1
        scale, offset, correction = self.batch_norm(raw, bias=bias, axis=axis)
        return kernel * self.kernel_scale(scale), offset, correction

    def folded_bias(self):
        """Return the bias outside training, that of a folded batch norm included, or None."""
        return self._folded(None, training=False)[1]

    def kernel_scale(self, scale):
        """Broadcast a factor for each output channel over the kernel."""
        return scale

    @property
    def _along_channels_first(self):
        return getattr(self, "data_format", None) == "channels_first"

    def _along_channels(self, vector):
        rank = getattr(self, "rank", 0)
        if self._along_channels_first:
            return ops.reshape(vector, (1, -1) + (1,) * rank)
        return ops.reshape(vector, (1,) * (rank + 1) + (-1,)) if rank else vector

    def _at_product_scale(self, bias, input_exponent, kernel_exponent):
        if input_exponent is None:
            raise ValueError(
                f"Target '{self.target}' puts the bias at the product of the input's and the "
                f"kernel's scale, so layer '{self.name}' expects the input's scale exponent: "
                f"`y, exponent = quantizer(x, with_exponent=True)`, then "
                "`layer(y, input_exponent=exponent)`. Received: input_exponent=None. "
                "`quantize_model` does this; a hand-written model may use target='paper'."
            )
        log2_threshold = ops.stop_gradient(input_exponent + kernel_exponent) + 31.0
        return fake_quant(bias, log2_threshold, FixedPoint(32), fused=False)

    def _finish(self, y, training):
        fused = self.activation_quantizer is not None and self._fuses_activation
        if self.activation is not None and not fused:
            y = self.activation(y)
        if self.activation_quantizer is not None:
            y = self.activation_quantizer(y, training=training)
        return y

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
        return config


def three_sigma_initializer(kernel):
    """Return an initializer of log2(|mean| + 3 * standard deviation) of `kernel`."""

    def initializer(shape, dtype=None):
        values = ops.cast(ops.convert_to_tensor(kernel), "float32")
        threshold = ops.abs(ops.mean(values)) + 3.0 * ops.std(values)
        return exact_log2(ops.where(threshold > 0, threshold, ops.ones_like(threshold)))

    return initializer


def _signed(bits):
    return None if bits is None else FixedPoint(bits)


def _build(child, shape=()):
    # Sub-layers are built before their parent when a file is loaded.
    if child is not None and not child.built:
        child.build(shape)
