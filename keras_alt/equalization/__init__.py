"""Equalization: channels scaled by powers of two, so that rounding adds less noise."""

from keras_alt.equalization.transform import equalize as equalize
from keras_alt.equalization.unreached import drop_caps as drop_caps
