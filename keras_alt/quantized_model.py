"""The functional model that quantization returns."""

import contextlib
import functools

import keras

from keras_alt.graph import deep_recursion
from keras_alt.keras_internals import TrainedByWorkers
from keras_alt.numerics.backend import numerics
from keras_alt.quantizer import require_calibrated
from keras_alt.record import Record, attach, record_of


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantizedModel(TrainedByWorkers, keras.Model):
    """A functional model whose outputs have the names that they have in the float model.

    Keras names outputs after the layers that compute them, and those are quantizers. Losses,
    metrics and files know an output by its name, so the record of the model keeps the names.

    Args:
        inputs, outputs, name: as for a functional `keras.Model`.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        self.dtype_policy = "float32"  # `compile` adds a loss scale for other policies
        record = record_of(self)
        if record is not None and len(record.outputs) == len(self.outputs):
            self.output_names = list(record.outputs)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        with deep_recursion():
            return super().from_config(config, custom_objects)

    def make_train_function(self, force=False):
        # Keras calls this before a training, with any optimizer and backend, and before each step
        # of `train_on_batch`. To read all thresholds took 2.5 ms, a twentieth of the step.
        if force or self.train_function is None:
            numerics.require_trainer()
            require_calibrated(self.weights)
        return super().make_train_function(force)

    @functools.wraps(keras.Model.save)
    def save(self, *args, **kwargs):
        with _undistributed():
            return super().save(*args, **kwargs)

    @functools.wraps(keras.Model.save_weights)
    def save_weights(self, *args, **kwargs):
        with _undistributed():
            return super().save_weights(*args, **kwargs)


@contextlib.contextmanager
def _undistributed():
    """Lift the distribution of Keras, so that one process of several can write a file.

    To write a file, Keras makes an optimizer and looks which attributes it has. Under a
    distribution, that waits for the other processes to make one too.
    """
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


# Keras writes the name of the class into `.h5` files and looks it up among the registered names.
QuantizedModel.__name__ = keras.saving.get_registered_name(QuantizedModel)


def recorded(model: keras.Model, record: Record) -> keras.Model:
    """Return the quantized `model` with its record; they share their layers."""
    attach(model, record)
    if record_of(model) is None:  # nothing is quantized
        return model
    with deep_recursion():
        return QuantizedModel(model.input, model.output, name=model.name)
