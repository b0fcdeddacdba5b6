"""The switch from batch statistics to moving ones."""

from keras import ops

from keras_alt.callbacks.steps import StepCallback
from keras_alt.keras_internals import nested_layers
from keras_alt.layers import FoldedBatchNorm
from keras_alt.number_checks import whole_number


class FreezeBatchNorm(StepCallback):
    """Switches folded batch norms from batch statistics to their moving statistics.

    From then on the training graph is the inference graph. The paper switches after one epoch.

    Example:

    ```python
    config = keras_alt.QuantizeConfig(batch_norm="train")
    quantized = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(quantized, x)
    quantized.compile(keras_alt.optimizers.alt(1e-5), loss="mse")
    quantized.fit(x, y, epochs=3, callbacks=[keras_alt.callbacks.FreezeBatchNorm()])
    ```

    Args:
        step: number of optimizer steps before the switch; by default one epoch.
    """

    def __init__(self, step: int | None = None):
        super().__init__()
        if step is not None:
            whole_number("step", step, "a number of steps, at least 0", lambda step: step >= 0)
        self.step = step

    def on_train_begin(self, logs=None):
        if not self._norms():
            raise ValueError(
                "`FreezeBatchNorm` expects a model made with "
                "`QuantizeConfig(batch_norm='train')`. "
                f"Received: model '{self.model.name}' without batch norms that train."
            )
        self._step = 0
        if self.step == 0:
            self._freeze()

    def on_steps_end(self, steps):
        if self.step in steps:
            self._freeze()

    def on_epoch_end(self, epoch, logs=None):
        if self.step is None:
            self._freeze()

    def _norms(self):
        return [x for x in nested_layers(self.model) if isinstance(x, FoldedBatchNorm)]

    def _freeze(self):
        for norm in self._norms():
            norm.statistics_frozen.assign(ops.ones((), dtype="bool"))
