"""Placement of quantizers: which tensors are quantized, and which share a quantizer."""

import functools
from dataclasses import replace

import keras

from keras_alt.activations import is_never_negative
from keras_alt.formats import FixedPoint
from keras_alt.graph import Call
from keras_alt.layer_names import matches
from keras_alt.layers import Matmul
from keras_alt.operators import Grid, Operator, is_frozen, is_kernel
from keras_alt.planning.decisions import Group, Placement, Plan
from keras_alt.planning.regions import Regions
from keras_alt.planning.roundings import Rounding, rounding_behind
from keras_alt.planning.signs import may_be_negative
from keras_alt.targets import get_target


def place_quantizers(regions: Regions, plan: Plan):
    """Add to `plan` which tensors are quantized, and which share a scale.

    These tensors are quantized: the inputs of the quantized region, the outputs of kernel layers,
    additions, pools and ReLUs, and the outputs of float layers that the quantized region reads. A
    tensor that only an activation reads is not quantized. The operands of a merge share one scale.
    An operand with another sign or width gets a second quantizer.
    """
    _Placing(regions, plan)


class _Placing:
    """One walk through the graph."""

    def __init__(self, regions, plan):
        self.regions, self.plan = regions, plan
        self.graph, self.config = regions.graph, regions.config
        self.target = get_target(self.config.target)
        self.rounding = functools.partial(rounding_behind, regions, plan)
        self.after_kernel = set()
        for tensor in self.graph.inputs:
            if _is_float(tensor) and regions.is_wanted(tensor):
                self._add_input(tensor, tensor.name, "input")
        for call in self.graph.calls:
            self._visit(call)
        self.plan.share_namesakes()
        self._share_as_configured()

    def _visit(self, call: Call):
        if is_kernel(call) or any(tensor in self.after_kernel for tensor in call.inputs):
            self.after_kernel.update(call.outputs)
        operator = self.regions.operator(call)
        if operator is not None:
            self._quantized_output(call, operator)
        elif self.regions.folded_into(call) is not None:
            self._add(call, signed=True)
        else:
            for tensor in call.outputs:
                self._float_output(call, tensor)

    def _quantized_output(self, call, operator: Operator):
        group = self.plan.group_of(call.inputs[0])
        if operator.grid is Grid.KEPT:
            self._pass_on(call)
        elif operator.grid in (Grid.COMMON, Grid.COMBINED):
            self._merge(call, operator)
        elif operator.grid is Grid.POOLED and group and not self.target.pool_as_depthwise:
            key = self.plan.key_of(call.inputs[0])
            self.plan.place(call.output, key, self.rounding(call.output))
        else:
            if isinstance(call.layer, Matmul) and self.target.signed_matrices:
                self._sign_second(call)
            self._add(call, operator.signed(self._signs(call)))

    def _sign_second(self, call):
        """Quantize an unsigned second factor again, with a sign."""
        group = self.plan.group_of(call.inputs[1])
        if group is not None and not group.format.signed:
            signed = Group(call.layer.name, "second", replace(group.format, signed=True))
            key = self.plan.new_group((call, "second"), signed)
            self.plan.operands[call, 1] = Placement(key, self.rounding(call.inputs[1]))

    def _signs(self, call):
        """Return whether each input is signed. An input without a quantizer counts as signed."""
        groups = map(self.plan.group_of, call.inputs)
        return [group is None or group.format.signed for group in groups]

    def _float_output(self, call, tensor):
        if not (_is_float(tensor) and self.regions.is_wanted(tensor)):
            return
        if tensor not in self.after_kernel:
            self._add_input(tensor, call.layer.name, "output")
        else:
            index = f"_{call.outputs.index(tensor)}" if len(call.outputs) > 1 else ""
            self._add(call, not is_never_negative(call.layer), tensor, f"output{index}")

    def _pass_on(self, call):
        on_grid = [tensor for tensor in call.inputs if self.plan.group_of(tensor)]
        for tensor in call.outputs:
            if on_grid:
                self.plan.pass_on(tensor, self.plan.key_of(on_grid[0]))
            elif not any(map(_is_float, call.inputs)):
                self._float_output(call, tensor)  # such as what `RandomFlip` makes of bytes

    def _merge(self, call, operator):
        plan, name = self.plan, call.layer.name
        formats = [plan.group_of(t).format for t in call.inputs if plan.group_of(t)]
        if not formats:
            return
        common = _common_format(formats)
        fits = [bool(plan.group_of(t)) and plan.group_of(t).format == common for t in call.inputs]
        agreeing = [plan.key_of(t) for t, fit in zip(call.inputs, fits, strict=True) if fit]
        if agreeing:
            key = agreeing[0]
        else:
            key = plan.new_group((call, "inputs"), Group(name, "inputs", common))
        plan.share(agreeing, name, "inputs")
        if not all(fits):
            plan.group(key).layer, plan.group(key).role = name, "inputs"
            for i, fit in enumerate(fits):
                if not fit:
                    plan.operands[call, i] = Placement(key, self.rounding(call.inputs[i]))
        if operator.grid is Grid.COMMON:
            plan.pass_on(call.output, key)
        else:
            self._add(call, operator.signed([format.signed for format in formats]))

    def _add(self, call, signed, tensor=None, role="output"):
        tensor = call.output if tensor is None else tensor
        bits = self.config.for_layer(call.layer.name).activations
        if bits is not None and not self.regions.is_absorbed(tensor):
            trainable = not is_frozen(call.layer)
            group = Group(call.layer.name, role, FixedPoint(bits, signed), trainable)
            rounding = self.rounding(tensor)
            self.plan.place(tensor, self.plan.new_group(tensor, group), rounding)
            operator = self.regions.operator(call)
            if operator is not None and operator.fused:
                self.plan.fused[call] = operator.fused

    def _add_input(self, tensor, layer, role):
        format = self.config.input_format
        if format is not None:
            signed = format.signed or may_be_negative(self.graph, tensor)
            group = Group(layer, role, replace(format, signed=signed))
            rounding = Rounding(self.target.quantize)
            self.plan.place(tensor, self.plan.new_group(tensor, group), rounding)

    def _share_as_configured(self):
        for globs in self.config.share:
            keys = [
                self.plan.outputs[tensor].key
                for call in self.graph.calls
                for tensor in call.outputs
                if tensor in self.plan.outputs and matches(call.layer.name, globs)
            ]
            if keys:
                self.plan.share(keys, self.plan.group(keys[0]).layer, "shared")


def _common_format(formats):
    signed = any(format.signed for format in formats)
    return FixedPoint(max(format.bits for format in formats), signed)


def _is_float(tensor):
    return keras.backend.standardize_dtype(tensor.dtype).startswith(("float", "bfloat"))
