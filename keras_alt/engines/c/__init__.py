"""Standalone C99: the exported files and the system's compiler."""

from keras_alt.engines.c.elements import handles as handles
