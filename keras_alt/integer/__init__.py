"""Quantized models in integers: reading, running, accumulator widths."""

# The imports register what reads each kind of layer.
from keras_alt.integer import kernels as _kernels  # noqa: F401
from keras_alt.integer import shapes as _shapes  # noqa: F401
from keras_alt.integer.accumulators import Accumulator as Accumulator
from keras_alt.integer.accumulators import accumulators as accumulators
from keras_alt.integer.engine import trace as trace
from keras_alt.integer.program import Constant as Constant
from keras_alt.integer.program import NotIntegerError as NotIntegerError
from keras_alt.integer.program import Program as Program
from keras_alt.integer.program import Step as Step
from keras_alt.integer.program import Tensor as Tensor
from keras_alt.integer.reader import read as read
from keras_alt.integer.reading import Reading as Reading
from keras_alt.integer.running import input_arrays as input_arrays
from keras_alt.integer.running import quantize_inputs as quantize_inputs
from keras_alt.integer.running import run as run
