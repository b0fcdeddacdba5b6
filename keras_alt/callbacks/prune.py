"""Magnitude pruning while a model trains."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from keras_alt.callbacks.steps import StepCallback
from keras_alt.keras_internals import nested_layers, resumed_epoch
from keras_alt.layer_names import checked_globs, listed, matches, unmatched
from keras_alt.layers import (
    QuantAveragePoolConv2D,
    QuantDepthwiseConv1D,
    QuantDepthwiseConv2D,
)
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import has_kernel
from keras_alt.sparsity import m_by_n_mask, magnitude_mask

NOT_PRUNED = (
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    QuantDepthwiseConv1D,
    QuantDepthwiseConv2D,
    QuantAveragePoolConv2D,
)


class Prune(StepCallback):
    """Sets the smallest weights of each kernel to zero, and holds them there during `fit`.

    It prunes a float Keras 3 model before it is quantized, or a quantized one while its thresholds
    train. It prunes the kernels that tensorflow-model-optimization's `prune_low_magnitude` does:
    those of dense layers and convolutions, and the pointwise kernels of separable convolutions, but
    no depthwise kernels. A pruned weight stays pruned until `fit` ends. To hold the zeros in every
    later `fit`, call `keras_alt.quantize_model(model, masks=keras_alt.sparsity_masks(model))`.

    Example:

    ```python
    def half_of_the_weights(step):
        return step % 10 == 0, 0.5

    model.fit(x, y, callbacks=[keras_alt.callbacks.Prune(half_of_the_weights)])
    quantized = keras_alt.quantize_model(model, masks=keras_alt.sparsity_masks(model))
    ```

    Args:
        schedule: `(step) -> (prune now?, sparsity)`, such as tensorflow-model-optimization's
            `PolynomialDecay` and `ConstantSparsity`. Step 0 is before the first batch. The next
            `fit` continues the count, and so does a run that `Backup` resumes.
        sparsity_m_by_n: `(2, 4)` sets two of every four consecutive input channels to zero. The
            schedule then gives only the steps; its sparsity is ignored.
        skip: globs of layers that are not pruned.

    Attributes:
        masks: `{kernel variable's path: boolean array}`, the weights kept so far.
    """

    def __init__(
        self,
        schedule: Callable,
        sparsity_m_by_n: tuple[int, int] | None = None,
        skip: Sequence[str] = (),
    ):
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                "`schedule` must be a function of the step, such as "
                "`tfmot.sparsity.keras.ConstantSparsity(0.5, 0)`. "
                f"Received: schedule={schedule!r}"
            )
        if sparsity_m_by_n is not None:
            pair = sparsity_m_by_n if isinstance(sparsity_m_by_n, (tuple, list)) else ()
            m, n = pair if len(pair) == 2 else (None, None)
            if not (isinstance(m, int) and isinstance(n, int) and 0 < m < n):
                raise ValueError(
                    "`sparsity_m_by_n` must be (m, n) with 0 < m < n. "
                    f"Received: sparsity_m_by_n={sparsity_m_by_n!r}"
                )
        self.schedule = schedule
        self.sparsity_m_by_n = sparsity_m_by_n
        self.skip = checked_globs("skip", skip)
        self.masks = {}
        self._pruned = []
        self._is_first_epoch = False

    def on_train_begin(self, logs=None):
        layers = nested_layers(self.model)
        names = [layer.name for layer in layers if layer is not self.model]
        for glob in unmatched(self.skip, names):
            raise ValueError(
                "Every glob in `skip` must match a layer of the model. "
                f"Received: {glob!r}, layers={listed(names, glob)}"
            )
        self._pruned = [layer for layer in layers if self._is_pruned(layer)]
        if not self._pruned:
            raise ValueError(
                "`Prune` expects a model with dense or convolution layers outside `skip`. "
                f"Received: model '{self.model.name}' without any."
            )
        self._is_first_epoch = True

    def on_epoch_begin(self, epoch, logs=None):
        is_resumed = self._step == 0 and epoch == resumed_epoch(self.model)
        super().on_epoch_begin(epoch, logs)
        # Not when training begins: a callback behind this one may load the weights of a run then.
        if is_resumed:
            self._go_on()
        elif self._is_first_epoch:
            self._prune([self._step])
        self._is_first_epoch = False

    def on_steps_end(self, steps):
        self._prune(steps)

    def on_train_end(self, logs=None):
        self._prune([])  # an optimizer with `use_ema` has put averages into the kernels

    def _prune(self, steps):
        """Prune by the last of `steps` at which the schedule prunes, and hold the zeros."""
        self.model  # noqa: B018 - on JAX this brings the variables up to date
        due = [sparsity for now, sparsity in map(self.schedule, steps) if bool(now)]
        for layer in self._pruned:
            kernel = _kernel(layer)
            if due:
                self.masks[kernel.path] = mask = self._mask(layer, kernel, float(due[-1]))
                if _holds_zeros(layer):
                    layer.set_mask(layer.role, mask)
                    continue
            if kernel.path in self.masks:
                kernel.assign(kernel.value * ops.cast(self.masks[kernel.path], kernel.dtype))

    def _go_on(self):
        """Keep the zeros of a run that was interrupted: what is zero by now was pruned."""
        kernels = {k.path: ops.convert_to_numpy(k) for k in map(_kernel, self._pruned)}
        zeros = {path: values == 0 for path, values in kernels.items() if not values.all()}
        steps = range(self._step, -1, -1)
        if zeros and any(bool(now) for now, _ in map(self.schedule, steps)):
            self.masks |= {path: ~mask for path, mask in zeros.items()}

    def _mask(self, layer, kernel, sparsity):
        """Return the new mask; it hides all that the earlier one hides."""
        earlier = self.masks.get(kernel.path)
        if earlier is None:
            earlier = np.ones(kernel.shape, bool)
            if _holds_zeros(layer):
                earlier = ops.convert_to_numpy(layer.mask_of(layer.role).mask)
        values = ops.convert_to_numpy(kernel) * earlier
        if self.sparsity_m_by_n is None:
            return earlier & magnitude_mask(values, sparsity)
        transposed = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)
        axis = -1 if isinstance(layer, transposed) else -2
        return earlier & m_by_n_mask(values, *self.sparsity_m_by_n, axis=axis)

    def _is_pruned(self, layer):
        return (
            (has_kernel(layer) or isinstance(layer, QuantizedKernel))
            and type(layer) not in NOT_PRUNED
            and not matches(layer.name, self.skip)
        )


def _holds_zeros(layer):
    return isinstance(layer, QuantizedKernel) and layer.sparse


def _kernel(layer):
    """Return the variable that is pruned."""
    is_separable = isinstance(layer, keras.layers.SeparableConv2D)
    return layer.pointwise_kernel if is_separable else layer.kernel
