"""Drop-in quantized layers."""

from keras_alt.layers.batch_norm import FoldedBatchNorm as FoldedBatchNorm
from keras_alt.layers.capped_relu import CappedReLU as CappedReLU
from keras_alt.layers.constant import ConstantTensor as ConstantTensor
from keras_alt.layers.conv import AveragePoolConv2D as AveragePoolConv2D
from keras_alt.layers.conv import QuantAveragePoolConv2D as QuantAveragePoolConv2D
from keras_alt.layers.conv import QuantConv1D as QuantConv1D
from keras_alt.layers.conv import QuantConv1DTranspose as QuantConv1DTranspose
from keras_alt.layers.conv import QuantConv2D as QuantConv2D
from keras_alt.layers.conv import QuantConv2DTranspose as QuantConv2DTranspose
from keras_alt.layers.conv import QuantConv3D as QuantConv3D
from keras_alt.layers.conv import QuantDepthwiseConv1D as QuantDepthwiseConv1D
from keras_alt.layers.conv import QuantDepthwiseConv2D as QuantDepthwiseConv2D
from keras_alt.layers.conv import QuantSeparableConv2D as QuantSeparableConv2D
from keras_alt.layers.dense import QuantDense as QuantDense
from keras_alt.layers.function import QuantFunction as QuantFunction
from keras_alt.layers.leaky_relu import QuantLeakyReLU as QuantLeakyReLU
from keras_alt.layers.mask import KernelMask as KernelMask
from keras_alt.layers.matmul import Matmul as Matmul
from keras_alt.layers.prelu import QuantPReLU as QuantPReLU
from keras_alt.layers.softmax import QuantSoftmax as QuantSoftmax
from keras_alt.layers.softmax import ScaledSoftmax as ScaledSoftmax
from keras_alt.layers.tabulated import Tabulated as Tabulated
