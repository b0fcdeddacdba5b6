"""Integer form of Keras' operators that reduce axes."""

from collections.abc import Callable

from keras_alt.graph import Call
from keras_alt.handlers import kind_of
from keras_alt.integer.axes import known_size
from keras_alt.integer.program import NotIntegerError
from keras_alt.integer.reader import Reader, handles
from keras_alt.integer.variables import Variable
from keras_alt.reductions import reduced_axes

REDUCTIONS: dict[str, Callable[..., Variable]] = {
    "Amax": Variable.reduce_maximum,
    "Amin": Variable.reduce_minimum,
    "Max": Variable.reduce_maximum,
    "Mean": Variable.reduce_sum,
    "Min": Variable.reduce_minimum,
    "Sum": Variable.total,
}


@handles(*REDUCTIONS)
def _reduced(reader: Reader, call: Call) -> Variable:
    kind, axes, x = str(kind_of(call.layer)), reduced_axes(call), reader.operand(call)
    if axes is None:
        raise NotIntegerError(
            f"The {kind.lower()} '{call.layer.name}' must leave the batch alone and have no "
            f"`initial`. Received: axis={call.layer.axis}"
        )
    if kind in ("Mean", "Sum"):
        known_size(call.layer, [x.shape[axis - 1] for axis in axes])
    return REDUCTIONS[kind](x, axes, bool(call.layer.keepdims))
