"""The layer that owns one trained clipping threshold, and how to find it in a model."""

from keras_alt.quantizer.finders import node_name as node_name
from keras_alt.quantizer.finders import owner_of as owner_of
from keras_alt.quantizer.finders import quantizer_name as quantizer_name
from keras_alt.quantizer.finders import quantizers as quantizers
from keras_alt.quantizer.finders import quantizers_of as quantizers_of
from keras_alt.quantizer.finders import trained_quantizers as trained_quantizers
from keras_alt.quantizer.float32 import InFloat32 as InFloat32
from keras_alt.quantizer.float_only import float_model as float_model
from keras_alt.quantizer.float_only import require_float_weights as require_float_weights
from keras_alt.quantizer.layer import Quantizer as Quantizer
from keras_alt.quantizer.layer import checked_threshold as checked_threshold
from keras_alt.quantizer.observing import claimed as claimed
from keras_alt.quantizer.observing import observed as observed
from keras_alt.quantizer.uncalibrated import THRESHOLDS as THRESHOLDS
from keras_alt.quantizer.uncalibrated import UNSET as UNSET
from keras_alt.quantizer.uncalibrated import require_calibrated as require_calibrated
