"""The bridge from tensorflow-model-optimization and tf_keras to Keras 3.

`import keras_alt` does not import this package. The first use of `keras_alt.tfmot` does.
"""

from keras_alt.counterparts import missing
from keras_alt.tfmot.alt import ALTQuantizeConfig as ALTQuantizeConfig
from keras_alt.tfmot.alt import ALTQuantizer as ALTQuantizer
from keras_alt.tfmot.conversion import to_keras3 as to_keras3
from keras_alt.tfmot.ranges import set_thresholds as set_thresholds
from keras_alt.tfmot.scheme import ALTScheme as ALTScheme


def __getattr__(name):
    # A name of tfmot's own, whose counterpart the error tells.
    raise missing(__name__, name)
