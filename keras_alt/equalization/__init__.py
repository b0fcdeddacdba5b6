"""Equalization: channels scaled by powers of two, so that rounding adds less noise."""

from keras_alt.equalization.equalize import equalize as equalize
