"""LiteRT: the file, its operators and the engine that runs it."""

from keras_alt.engines.litert.operator import Operator as Operator
from keras_alt.engines.litert.operators import handles as handles
