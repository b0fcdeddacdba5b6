"""How an engine rounds the tensors that a plan quantizes, and which grids they lie on before."""

import math

from keras_alt.graph import Call
from keras_alt.layers import QuantLeakyReLU
from keras_alt.numerics.rounding import STEPPED
from keras_alt.operators import OF_INPUT, Operator
from keras_alt.planning.decisions import Plan, Rounding
from keras_alt.planning.regions import Regions
from keras_alt.resizing import enlargement
from keras_alt.targets import get_target


def rounding_behind(regions: Regions, plan: Plan, tensor) -> Rounding:
    """Return how the engine rounds `tensor`. The rounding is half to even off any grid."""
    return _Roundings(regions, plan).of(tensor)


class _Roundings:
    def __init__(self, regions, plan):
        self.regions, self.plan = regions, plan
        self.target = get_target(regions.config.target)

    def of(self, tensor) -> Rounding:
        if self.plan.group_of(tensor):
            return self.on_grid(self.target.rescale, lambda: ((self.plan.key_of(tensor),), 0))
        call = self.regions.graph.producer.get(tensor)
        operator = None if call is None else self.regions.operator(call)
        if call in self.plan.folded or (operator and operator.rounding == OF_INPUT):
            return self.of(call.inputs[0])
        if operator is None:
            return Rounding(self.target.quantize)
        if operator.rounding is None:
            return Rounding()
        return self.on_grid(
            getattr(self.target, operator.rounding), lambda: self.terms(call, operator)
        )

    def on_grid(self, name, terms) -> Rounding:
        """Return the rounding by a rule; half to even if it needs a grid and there is none."""
        if name not in STEPPED:
            return Rounding(name)
        found = terms()
        return Rounding() if found is None else Rounding(name, *found)

    def terms(self, call: Call, operator: Operator) -> tuple[tuple, int] | None:
        """Return terms and halvings of what a call computes, None if it lies on no grid."""
        if operator.quantized is QuantLeakyReLU:
            return (call,), 0  # it gives the exponent of the grid that it rounds its input to
        keys = [self.key_of_operand(call, i) for i in range(len(call.inputs))]
        if None in keys:
            return None
        if operator.has_kernel:
            ends = call.layer in self.regions.ends()
            widths = self.regions.config.for_layer(call.layer.name, ends)
            return None if widths.weights is None else ((call,), 0)
        if operator.rounding == "mean":
            return tuple(keys), math.floor(math.log2(_cells(call)))
        factors = enlargement(call, "bilinear")
        if factors is not None:  # a factor has weights of that sum, see `integer.resizing`
            return tuple(keys), sum(int(math.log2(2 * f)) for f in factors if f > 1)
        return tuple(keys), 0

    def key_of_operand(self, call, i):
        """Return the key of the group on whose grid an operand lies, None if on no grid."""
        placement = self.plan.operands.get((call, i))
        if placement is not None:
            return placement.key
        tensor = call.inputs[i]
        return self.plan.key_of(tensor) if self.plan.group_of(tensor) else None


def _cells(call):
    """Return how many cells each mean is made of."""
    before, after = call.inputs[0].shape[1:], call.output.shape[1:]
    if None in before:
        raise NotImplementedError(
            f"The mean '{call.layer.name}' must have a known number of cells, because the target's "
            "engine rounds by it: give the model's input a shape without open sizes. "
            f"Received: {tuple(before)}"
        )
    return math.prod(before) // math.prod(after)
