"""hls4ml: the C++ project and its C simulation."""

# The imports register what writes moved cells, pools, products and tables.
from keras_alt.engines.hls4ml import moves as _moves  # noqa: F401
from keras_alt.engines.hls4ml import pools as _pools  # noqa: F401
from keras_alt.engines.hls4ml import products as _products  # noqa: F401
from keras_alt.engines.hls4ml import tables as _tables  # noqa: F401
from keras_alt.engines.hls4ml.nodes import handles as handles
