"""A pytest plugin that puts Quant layers without widths in the place of Keras' layers."""

import keras
import keras.src.layers as keras_layers

from keras_alt import layers

WIDTHS = ("kernel_bits", "bias_bits", "accumulator_bits", "activation_bits")
OTHERS = ("LeakyReLU", "PReLU")  # these have no kernels, and other widths


def twin(quant):
    class Twin(quant):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**dict.fromkeys(WIDTHS), **kwargs})

    Twin.__name__ = quant.__name__
    return keras.saving.register_keras_serializable("twins")(Twin)


for name in dir(layers):
    original = name.removeprefix("Quant")
    if original != name and hasattr(keras_layers, original) and original not in OTHERS:
        setattr(keras_layers, original, twin(getattr(layers, name)))
