"""The switch from batch statistics to moving ones."""

from keras import ops

from keras_alt.callbacks.steps import StepCallback
from keras_alt.keras_internals import nested_layers
from keras_alt.layers import FoldedBatchNorm


class FreezeBatchNorm(StepCallback):
    """Switches folded batch norms from batch statistics to their moving statistics.

    From then on the training graph is the inference graph. The paper switches after one epoch.

    Args:
        step: number of optimizer steps before the switch; by default one epoch.

    Example:

    ```python
    config = keras_alt.QuantizeConfig(batch_norm="train")
    quantized = keras_alt.quantize_model(model, config, calibration_data=x)
    quantized.compile("adam", "mse")
    quantized.fit(x, y, epochs=3, callbacks=[keras_alt.callbacks.FreezeBatchNorm()])
    ```
    """

    def __init__(self, step: int | None = None):
        super().__init__()
        if step is not None and step < 0:
            raise ValueError(f"`step` must be at least 0. Received: step={step!r}")
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
