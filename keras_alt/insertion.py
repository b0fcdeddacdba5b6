"""Application of a plan: a float graph is rewritten into a quantized one."""

import keras
from keras import ops

from keras_alt.graph import Call, Graph, Replay, call_and_fill, repeat, replaced, rewrite
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.layers.tabulated import Tabulated
from keras_alt.planning import Plan, Rounding
from keras_alt.quantizer import UNSET, Quantizer, quantizers_of
from keras_alt.replacements import Replacements
from keras_alt.targets import ON_PRODUCT_GRID


def apply_plan(graph: Graph, plan: Plan, masks: dict) -> tuple[keras.Model, dict]:
    """Return the quantized model, and the float ReLUs that its quantizers compute.

    Args:
        graph: `Graph` of a canonical float model.
        plan: `Plan` of that graph, from `keras_alt.planning.plan`.
        masks: `{layer name: boolean array}` in the shape of the kernel, for each sparse layer.

    Returns:
        `(model, relus)`. `relus` is `{tensor: name}`: the name of the float ReLU for each tensor
        that a quantizer of the new model gives and rectifies.
    """
    insertion = _Insertion(graph, plan, masks)
    model = rewrite(graph, insertion.rule, on_input=insertion.quantized)
    return model, insertion.relus


class _Insertion:
    """Makes each new layer once while the graph is replayed."""

    def __init__(self, graph: Graph, plan: Plan, masks: dict):
        self.graph, self.plan, self.masks = graph, plan, masks
        self.norms = {linear: norm.layer for norm, linear in plan.folded.items()}
        self.layers = Replacements(graph, plan.layers)
        self.quantizers, self.exponents, self.relus = {}, {}, {}
        self.sums = {}  # of calls with kernels, the exponents of their sums
        self.tabulated = {
            id(plan.group_of(call.inputs[0]))
            for call, substitution in plan.layers.items()
            if issubclass(substitution.quantized, Tabulated)
        }
        placements = (*plan.outputs.values(), *plan.operands.values())
        roundings = [*(placement.rounding for placement in placements), *plan.inner.values()]
        terms = (term for rounding in roundings for term in rounding.terms)
        self.summed = {term for term in terms if isinstance(term, Call)}
        self.operands = {}
        for (merge, position), placement in plan.operands.items():
            self.operands.setdefault(merge, {})[position] = placement
        for call, substitution in plan.layers.items():
            if not substitution.suffix:  # a single copy keeps the name
                self.quant_layer(call)

    def rule(self, call: Call, new: Replay):
        outputs = self.outputs(call, new)
        tensors = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        results = [
            self.quantized(old, tensor) for old, tensor in zip(call.outputs, tensors, strict=True)
        ]
        return results if len(results) > 1 else results[0]

    def outputs(self, call, new):
        """Return the outputs of `call` before they are quantized."""
        if call in self.plan.fused or call in self.plan.folded:
            return new(call.inputs[0])
        if call in self.plan.layers:
            return self.substituted(call, new(call.inputs[0]))
        operands = self.operands.get(call)
        if operands is not None:
            return call.layer(
                [
                    self.placed(operands[i], new(tensor)) if i in operands else new(tensor)
                    for i, tensor in enumerate(call.inputs)
                ]
            )
        return repeat(call, new)

    def quantized(self, old, tensor):
        """Quantize `tensor` as the plan says for `old`, the tensor that it stands for."""
        placement = self.plan.outputs.get(old)
        if placement is None:
            return tensor
        producer = self.graph.producer.get(old)
        activation = self.plan.fused.get(producer)
        if activation is None:
            return self.placed(placement, tensor)
        rectified = self.placed(placement, tensor, activation=activation)
        self.relus[rectified] = producer.layer.name
        return rectified

    def placed(self, placement, tensor, **rules):
        """Quantize `tensor` by its group's quantizer; keep the exponent if a layer needs it."""
        quantizer = self.quantizer(placement.key)
        if placement.rounding.name != "half_even":
            rules["rounding"] = placement.rounding.name
        rules |= self.exponents_of(placement.rounding)
        is_read = id(self.plan.group(placement.key)) in self.tabulated
        if not (is_read or self.plan.bias_rule == ON_PRODUCT_GRID):
            return quantizer(tensor, **rules)
        tensor, exponent = quantizer(tensor, with_exponent=True, **rules)
        self.exponents.setdefault(id(quantizer), exponent)
        return tensor

    def exponents_of(self, rounding: Rounding) -> dict:
        """Return the arguments of a call that tell on which grid its input lies."""
        arguments = {}
        if rounding.terms:
            arguments["input_exponents"] = [self.term(term) for term in rounding.terms]
        if rounding.halvings:
            arguments["halvings"] = rounding.halvings
        return arguments

    def term(self, term):
        """Return the exponent that a term of a `Rounding` stands for."""
        if isinstance(term, Call):
            return self.sums[term]
        return self.exponents[id(self.quantizers[id(self.plan.group(term))])]

    def quantizer(self, key):
        group = self.plan.group(key)
        if id(group) not in self.quantizers:
            self.quantizers[id(group)] = Quantizer(
                group.format, role=group.role, trainable=group.trainable, name=group.name
            )
        return self.quantizers[id(group)]

    def substituted(self, call, x):
        """Return the output of the Quant layer that replaces the layer of `call`."""
        layer, arguments = self.quant_layer(call), {}
        if isinstance(layer, Tabulated):
            return layer(x, input_exponent=self.exponent(call))
        gives_exponent = call in self.summed
        if gives_exponent:
            arguments["with_exponent"] = True
        if call in self.plan.inner:
            arguments |= self.exponents_of(self.plan.inner[call])
        fill = lambda built: copy_weights(call.layer, built)  # noqa: E731
        if isinstance(layer, QuantizedKernel):
            fill = lambda built: self.take_over(built, call.layer, self.norms.get(call))  # noqa: E731
            if layer.bias_on_product_grid or gives_exponent:
                arguments["input_exponent"] = self.exponent(call)
        outputs = call_and_fill(layer, fill, x, **arguments)
        if not gives_exponent:
            return outputs
        y, self.sums[call] = outputs
        return y

    def exponent(self, call):
        """Return the exponent of the quantizer whose grid the input of `call` lies on."""
        group = self.plan.group_of(call.inputs[0])
        return self.exponents[id(self.quantizers[id(group)])]

    def quant_layer(self, call):
        """Return the Quant layer of a call. Each batch norm to fold gets its own Quant layer."""
        substitution = self.plan.layers[call]

        def make(name):
            arguments = {**substitution.arguments, "name": name}
            if issubclass(substitution.quantized, type(call.layer)):
                return replaced(call.layer, substitution.quantized, **arguments)
            # For a layer of another type, only the arguments in the plan apply.
            dtype = getattr(call.layer, "dtype_policy", None)  # operators have none
            return substitution.quantized(**arguments, dtype=dtype)

        return self.layers(call.layer, substitution, make, suffix=substitution.suffix)

    def take_over(self, layer, original, norm):
        """Copy the weights of `original` to `layer`. Thresholds stay unset until calibration."""
        copy_weights(original, layer)
        for variable in norm.weights if norm is not None else ():
            getattr(layer.batch_norm, variable.name).assign(ops.convert_to_numpy(variable))
        for quantizer in quantizers_of(layer):
            unset = ops.full_like(quantizer.log2_threshold.value, UNSET)
            quantizer.log2_threshold.assign(unset)
        if layer.sparse:
            layer.set_mask("kernel", self.masks[original.name])


def copy_weights(original: keras.Operation, layer: keras.layers.Layer):
    """Copy the weights of `original` to those of `layer` that have the same names."""
    for variable in getattr(original, "weights", ()):  # operators have none
        getattr(layer, variable.name).assign(ops.convert_to_numpy(variable))
