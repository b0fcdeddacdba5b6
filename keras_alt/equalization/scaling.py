"""The model whose channels are scaled by powers of two."""

import functools

import keras
import numpy as np
from keras import ops

from keras_alt.equalization.caps import caps_of
from keras_alt.equalization.channels import ChannelClasses
from keras_alt.equalization.kernels import as_groups, from_groups
from keras_alt.equalization.noise import Kernel
from keras_alt.graph import Call, Graph, Replay, call_and_fill, replaced, rewrite
from keras_alt.layers import CappedReLU
from keras_alt.operators import is_kernel
from keras_alt.replacements import Replacements
from keras_alt.training_rules import training_rules


def scaled_model(
    graph: Graph, classes: ChannelClasses, kernels: dict[Call, Kernel], shifts: np.ndarray
) -> keras.Model:
    """Return a model of the same function whose channels are scaled by `2**shifts`.

    Args:
        graph: `Graph` of a float model.
        classes: of the channels.
        kernels: `{call: Kernel}` for each call that writes or reads scaled channels.
        shifts: log2 of the factor of each class.
    """
    return _Scaling(graph, classes, kernels, shifts).model()


def dropped_rules(call: Call, classes: ChannelClasses, shifts: np.ndarray) -> list[str]:
    """Return the names of the constraints and regularizers that do not hold for scaled weights.

    A positive factor keeps `NonNeg`. Any other rule, such as a largest norm, would change the
    function at the first step of a training.
    """
    if not any(shifts[classes.of(tensor)].any() for tensor in (call.inputs[0], call.output)):
        return []
    return [
        name
        for name in training_rules(call.layer)
        if not isinstance(getattr(call.layer, name), keras.constraints.NonNeg)
    ]


class _Scaling:
    def __init__(self, graph, classes, kernels, shifts):
        self.graph, self.classes, self.kernels, self.shifts = graph, classes, kernels, shifts
        calls = [call for call in graph.calls if is_kernel(call) or self.is_capped(call)]
        self.calls, self.layers = calls, Replacements(graph, calls)

    def model(self) -> keras.Model:
        return rewrite(self.graph, self.rule, self.calls)

    def is_capped(self, call: Call) -> bool:
        """Return whether the call is a ReLU whose bounds must be scaled."""
        is_bounded = caps_of(call.layer) is not None
        return is_bounded and bool(self.shifts[self.classes.of(call.output)].any())

    def rule(self, call: Call, new: Replay):
        if is_kernel(call):
            make = functools.partial(self.kernel_layer, call)
            layer, fill = self.layers(call.layer, None, make), functools.partial(self.fill, call)
            return call_and_fill(layer, fill, *new(call.args), **new(call.kwargs))
        caps = (caps_of(call.layer) * self.written(call)).astype(np.float32)
        make = functools.partial(_capped, call.layer)
        layer = self.layers(call.layer, caps.tobytes(), make)
        return call_and_fill(layer, lambda built: built.set_weights([caps]), new(call.inputs[0]))

    def written(self, call) -> np.ndarray:
        """Return the factor of each channel of the output of a call."""
        return np.exp2(self.shifts[self.classes.of(call.output)])

    def kernel_layer(self, call, name):
        rules = dict.fromkeys(dropped_rules(call, self.classes, self.shifts))
        return replaced(call.layer, type(call.layer), name=name, **rules)

    def fill(self, call, layer):
        """Set the weights of a layer, scaled. Powers of two lose no digit."""
        old = call.layer
        if call not in self.kernels:
            layer.set_weights(old.get_weights())
            return
        factors = self.kernels[call].factors(self.shifts)
        channels = call.inputs[0].shape[-1]
        groups = as_groups(old, ops.convert_to_numpy(old.kernel), channels)
        kernel = from_groups(old, groups * factors.astype(groups.dtype))
        bias = [ops.convert_to_numpy(old.bias) * self.written(call)] if old.use_bias else []
        layer.set_weights([kernel, *bias])


def _capped(relu, name):
    return CappedReLU(name=name, dtype=relu.dtype_policy, trainable=relu.trainable)
