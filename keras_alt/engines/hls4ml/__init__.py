"""hls4ml: the C++ project and its C simulation."""

from keras_alt.engines.hls4ml.nodes import handles as handles
