"""LiteRT: the file, its operators and the engine that runs it."""

# The imports register what writes products, repeated cells, tables and transposes.
from keras_alt.engines.litert import products as _products  # noqa: F401
from keras_alt.engines.litert import repeats as _repeats  # noqa: F401
from keras_alt.engines.litert import tables as _tables  # noqa: F401
from keras_alt.engines.litert import transposes as _transposes  # noqa: F401
from keras_alt.engines.litert.operator import Operator as Operator
from keras_alt.engines.litert.operators import handles as handles
