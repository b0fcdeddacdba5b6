"""Counting of optimizer steps."""

import keras


class StepCallback(keras.callbacks.Callback):
    """Calls `on_steps_end` with the optimizer steps that are over.

    With `steps_per_execution` Keras calls back once for many batches; it names the last of them.
    """

    def __init__(self):
        super().__init__()
        self._step = self._before_epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._before_epoch = self._step

    def on_train_batch_end(self, batch, logs=None):
        # The last execution of an epoch may end before the batch that Keras names: with the data.
        in_epoch = min(batch + 1, self.params.get("steps") or batch + 1)
        before, self._step = self._step, self._before_epoch + in_epoch
        self.on_steps_end(range(before + 1, self._step + 1))

    def on_steps_end(self, steps: range):
        """Act on the steps, counted from 1, that were trained since the call before."""
        raise NotImplementedError
