"""A quantized Keras model, read into integers."""

from dataclasses import dataclass

import keras

from keras_alt.integer.program import Program


@dataclass(frozen=True)
class Reading:
    """The integer program of a quantized model, and what the program leaves out.

    Attributes:
        program: the integer operations.
        target: name of the engine rules of the model.
        entry: float model up to the first quantizers (layers such as Rescaling). It gives one
            tensor for each of `program.inputs`.
        exit: float model behind the last quantizers (layers such as softmax). It takes one tensor
            for each of `program.outputs`.
        input_keys: names of the Keras model's inputs where they come as a dictionary.
        output_names: names of the Keras model's outputs.
        taps: position in the program of each symbolic tensor of the Keras model that a quantizer
            node gives or that `exit` takes.
    """

    program: Program
    target: str
    entry: keras.Model
    exit: keras.Model
    input_keys: list[str]
    output_names: list[str]
    taps: dict[keras.KerasTensor, int]

    @property
    def entry_layers(self) -> list[str]:
        """Names of the float layers in front of the first quantizers."""
        return _layers(self.entry)

    @property
    def exit_layers(self) -> list[str]:
        """Names of the float layers behind the last quantizers."""
        return _layers(self.exit)


def _layers(model: keras.Model) -> list[str]:
    return [
        layer.name for layer in model.operations if not isinstance(layer, keras.layers.InputLayer)
    ]
