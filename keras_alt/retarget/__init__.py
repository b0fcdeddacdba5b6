"""The same quantized model under the rules of another engine."""

from keras_alt.retarget.retarget import retarget as retarget
