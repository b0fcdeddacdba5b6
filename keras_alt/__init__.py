"""Trained fixed-point quantization for Keras 3."""

from keras_alt.formats import FixedPoint
from keras_alt.numerics.fake_quant import fake_quant
from keras_alt.quantizer import Quantizer
