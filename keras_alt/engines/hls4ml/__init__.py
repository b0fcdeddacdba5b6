"""hls4ml: the project of C++, and its C simulation."""

from keras_alt.engines.hls4ml.nodes import handles as handles
