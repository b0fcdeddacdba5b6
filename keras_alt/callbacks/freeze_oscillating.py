"""The freezing of weights that oscillate between two codes."""

import keras
import numpy as np
from keras import ops

from keras_alt.callbacks.steps import StepCallback
from keras_alt.keras_internals import nested_layers
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.number_checks import real_number, whole_number
from keras_alt.quantizer import Quantizer


class FreezeOscillating(StepCallback):
    """Freezes weights whose code goes back and forth, at the code of their running mean.

    Near the end of a code's interval, rounding pushes a weight to and fro: its code changes without
    end, and with it the network, most of all below 8 bits and in depthwise kernels. A code
    oscillates when it changes in the opposite direction of its last change. If the moving average
    of how often it does exceeds `frequency`, the weight is frozen (Nagel et al., 2022, arXiv
    2203.08086, section 4.3 and algorithm 1). It is set back after each step, so this works with
    any optimizer. A frozen weight keeps its value when a threshold moves to another octave.

    Use it with trained thresholds that are frozen in time, as by `FreezeThresholds`. The model
    remembers which weights are frozen, also in a `.keras` or `.weights.h5` file, and every `fit`
    with a `FreezeOscillating` holds them where they are. In a `fit` without one, they train again.
    The same callback goes on with its count of oscillations, and a new one begins anew. List it
    before callbacks that save within an epoch. `keras_alt.retarget` and `keras_alt.narrow` return
    models without frozen weights.

    Example:

    ```python
    freeze = keras_alt.callbacks.FreezeOscillating()
    quantized.fit(x, y, callbacks=[keras_alt.callbacks.FreezeThresholds(), freeze])
    print(sum(mask.sum() for mask in freeze.frozen.values()), "weights are frozen")
    ```

    Args:
        frequency: oscillations for each look at the codes above which a weight is frozen.
        momentum: weight of the latest look in the moving averages.
        start: optimizer steps before the first look.
        every: steps between two looks. An odd number also sees codes that change at each step.

    Attributes:
        frozen: `{kernel variable's path: boolean array}`, which weights are frozen.
    """

    def __init__(
        self, frequency: float = 0.02, momentum: float = 0.01, start: int = 0, every: int = 3
    ):
        super().__init__()
        for name, value in (("frequency", frequency), ("momentum", momentum)):
            real_number(name, value, "between 0 and 1", lambda value: 0 < value < 1)
        whole_number("start", start, "a number of steps, at least 0", lambda start: start >= 0)
        whole_number("every", every)
        self.frequency = frequency
        self.momentum = momentum
        self.start = start
        self.every = every
        self._kernels = {}

    @property
    def frozen(self) -> dict[str, np.ndarray]:
        return {path: kernel.frozen() for path, kernel in self._kernels.items()}

    def on_train_begin(self, logs=None):
        found = {
            kernel.path: (layer, role, kernel, quantizer)
            for layer in nested_layers(self.model)
            if isinstance(layer, QuantizedKernel) and layer.trainable
            for role, kernel in layer.kernels().items()
            if (quantizer := getattr(layer, f"{role}_quantizer")) is not None
        }
        if not found:
            raise ValueError(
                "`FreezeOscillating` expects a model with quantized kernels that train, from "
                f"`keras_alt.quantize_model`. Received: model '{self.model.name}' without any."
            )
        for path, (layer, role, variable, quantizer) in found.items():
            if layer.batch_norm is not None:
                raise NotImplementedError(
                    "`FreezeOscillating` expects batch norms that are folded before training "
                    "(`quantize_model(batch_norm='fold')`), so that a weight fixes its code. "
                    f"Received: layer '{layer.name}', which folds its norm while it trains"
                )
            earlier = self._kernels.get(path)
            if earlier is None or earlier.variable is not variable:
                self._kernels[path] = _Kernel(layer, role, variable, quantizer)
            self._kernels[path].freeze(self._kernels[path].frozen())

    def on_steps_end(self, steps):
        self._hold()
        looks = [s for s in steps if s > self.start and (s - self.start) % self.every == 0]
        if looks:
            for kernel in self._kernels.values():
                kernel.look(self.momentum, self.frequency)

    def on_train_end(self, logs=None):
        self._hold()  # an optimizer with `use_ema` has put averages into the kernels

    def _hold(self):
        self.model  # noqa: B018 - on JAX this brings the variables up to date
        for kernel in self._kernels.values():
            kernel.hold()


class _Kernel:
    """The codes of a kernel over time."""

    def __init__(
        self, layer: QuantizedKernel, role: str, variable: keras.Variable, quantizer: Quantizer
    ):
        self.layer, self.role = layer, role
        self.variable, self.quantizer = variable, quantizer
        self.exponent = self.codes = None

    def frozen(self) -> np.ndarray:
        """Return which weights do not train."""
        return self.layer.frozen_weights.mask(self.role, self.variable)

    def freeze(self, mask):
        """Freeze the weights that the mask marks where they are."""
        if mask.any():
            self.layer.frozen_weights.freeze(self.role, self.variable, mask)

    def hold(self):
        """Set the frozen weights back."""
        self.layer.frozen_weights.hold(self.role, self.variable)

    def look(self, momentum, frequency):
        """Count what has changed since the last look, and freeze what oscillates."""
        quantizer = self.quantizer
        exponent, format = quantizer.exponent, quantizer.format
        weights = ops.convert_to_numpy(self.variable)
        codes = np.clip(np.rint(weights * 2.0**-exponent), format.qmin, format.qmax)
        if exponent != self.exponent:
            self._restart(exponent, codes)
            return
        direction = np.sign(codes - self.codes).astype(np.int8)
        oscillates = direction * self.direction < 0
        self.frequency += momentum * (oscillates - self.frequency)
        self.looks += 1
        # Until there are many looks, the mean is that of all, not mostly the first code.
        self.mean += max(momentum, 1.0 / self.looks) * (codes - self.mean)
        np.copyto(self.direction, direction, where=direction != 0)
        self.codes = codes
        frozen = self.frozen()
        fresh = (self.frequency > frequency) & ~frozen
        if fresh.any():
            values = np.rint(self.mean) * np.float32(2.0**exponent)
            self.variable.assign(np.where(fresh, values, weights))
            self.freeze(frozen | fresh)

    def _restart(self, exponent, codes):
        """Begin on another grid: codes of different scales do not compare."""
        if self.codes is None:
            self.frequency = np.zeros(codes.shape, np.float32)
        self.exponent, self.codes, self.mean = exponent, codes, codes.astype(np.float32)
        self.direction, self.looks = np.zeros(codes.shape, np.int8), 1
