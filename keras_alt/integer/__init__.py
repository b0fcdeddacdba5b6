"""Quantized models in integers: reading, running, accumulator widths."""

# The imports register operations, and what reads each kind of layer.
from keras_alt.integer import kernels as _kernels  # noqa: F401
from keras_alt.integer import move_operations as _move_operations  # noqa: F401
from keras_alt.integer import moves as _moves  # noqa: F401
from keras_alt.integer import reductions as _reductions  # noqa: F401
from keras_alt.integer import resizing as _resizing  # noqa: F401
from keras_alt.integer import shapes as _shapes  # noqa: F401
from keras_alt.integer import softmax as _softmax  # noqa: F401
from keras_alt.integer.engine import trace as trace
from keras_alt.integer.grids import constant as constant
from keras_alt.integer.grids import grid as grid
from keras_alt.integer.interval_arithmetic import Interval as Interval
from keras_alt.integer.interval_arithmetic import intervals as intervals
from keras_alt.integer.operations import OPERATIONS as OPERATIONS
from keras_alt.integer.operations import operation as operation
from keras_alt.integer.places import BEHIND as BEHIND
from keras_alt.integer.places import BETWEEN as BETWEEN
from keras_alt.integer.places import FRONT as FRONT
from keras_alt.integer.places import float_places as float_places
from keras_alt.integer.program import Constant as Constant
from keras_alt.integer.program import NotIntegerError as NotIntegerError
from keras_alt.integer.program import Program as Program
from keras_alt.integer.program import Step as Step
from keras_alt.integer.program import Tensor as Tensor
from keras_alt.integer.reader import Handler as Handler
from keras_alt.integer.reader import Reader as Reader
from keras_alt.integer.reader import handles as handles
from keras_alt.integer.reader import read as read
from keras_alt.integer.reading import Island as Island
from keras_alt.integer.reading import Reading as Reading
from keras_alt.integer.reading import Source as Source
from keras_alt.integer.running import input_arrays as input_arrays
from keras_alt.integer.running import quantize_inputs as quantize_inputs
from keras_alt.integer.running import run as run
from keras_alt.integer.sum_widths import Accumulator as Accumulator
from keras_alt.integer.sum_widths import accumulators as accumulators
from keras_alt.integer.variables import Grid as Grid
from keras_alt.integer.variables import Variable as Variable
from keras_alt.integer.variables import add as add
from keras_alt.integer.variables import concatenate as concatenate
from keras_alt.integer.variables import maximum as maximum
from keras_alt.integer.variables import minimum as minimum
from keras_alt.integer.variables import subtract as subtract
