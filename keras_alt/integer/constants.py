"""Integer form of arrays that are operands of merges."""

from keras_alt.graph import Call
from keras_alt.integer.grids import constant
from keras_alt.integer.variables import Variable
from keras_alt.quantizer import quantizer_name


def constant_operand(x: Variable, given: Call, quantizer: Call) -> Variable:
    """Return the codes of a quantizer that reads an array.

    Args:
        x: what the array is given for: a tensor with as many samples.
        given: call of a `ConstantTensor`.
        quantizer: call of the `Quantizer` behind it.
    """
    codes = constant(given.layer.value, quantizer.layer)
    name = quantizer_name(quantizer.layer, quantizer.layer)
    return x.apply("constant_tensor", name=name, constant=codes)
