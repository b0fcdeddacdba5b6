"""LiteRT: the file, its operators and the engine that runs it."""

# The import registers what writes tables.
from keras_alt.engines.litert import tables as _tables  # noqa: F401
from keras_alt.engines.litert.operator import Operator as Operator
from keras_alt.engines.litert.operators import handles as handles
