"""A callback that counts optimizer steps."""

import keras

from keras_alt.keras_internals import resumed_epoch


class StepCallback(keras.callbacks.Callback):
    """Calls `on_steps_end` with the optimizer steps that have just been trained.

    With `steps_per_execution`, Keras calls back once for many batches and names the last of them.
    In a run that `Backup` or `keras.callbacks.BackupAndRestore` resumes, the steps before the
    interruption count.
    """

    def __init__(self):
        super().__init__()
        self._step = self._before_epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        if self._step == 0 and epoch == resumed_epoch(self.model):
            self._step = epoch * (self.params.get("steps") or 0)
        self._before_epoch = self._step

    def on_train_batch_end(self, batch, logs=None):
        # If the data end, the last execution of an epoch ends before the batch that Keras names.
        in_epoch = min(batch + 1, self.params.get("steps") or batch + 1)
        before, self._step = self._step, self._before_epoch + in_epoch
        self.on_steps_end(range(before + 1, self._step + 1))

    def on_steps_end(self, steps: range):
        """Act on the steps since the last call; the first step of a run is 1."""
        raise NotImplementedError
