"""Which tensors get a quantizer, and which of them share one: a plan, nothing is built."""

import fnmatch
from dataclasses import dataclass, field

import keras

from keras_alt.formats import FixedPoint
from keras_alt.graph import Call
from keras_alt.layers.conv import AveragePoolConv2D
from keras_alt.regions import SCALE_SHARING, SELECTING, Regions
from keras_alt.replacements import free_name, numbered
from keras_alt.roles import (
    is_average_pool,
    is_grid_preserving,
    is_kernel,
    is_mean,
    is_never_negative,
    leaky_slope,
    relu_max,
)
from keras_alt.targets import get_target

L = keras.layers


@dataclass
class Group:
    """Tensors that share one threshold.

    Attributes:
        name: `<layer>__<role>` of the quantizer.
        format: the common `FixedPoint`.
    """

    name: str
    format: FixedPoint


@dataclass(frozen=True)
class Placement:
    """A quantizer behind a tensor: the group's, with the rounding of what computed the tensor."""

    key: object
    rounding: str = "half_even"


@dataclass
class Plan:
    """Where quantizers go.

    Attributes:
        outputs: tensor -> `Placement` for tensors that are quantized where they arise.
        operands: (call, position) -> `Placement` with which the operand of a merge is quantized
            once more, because its own format differs.
        roundings: leaky ReLU's call -> rounding of its input.
    """

    outputs: dict = field(default_factory=dict)
    operands: dict = field(default_factory=dict)
    roundings: dict = field(default_factory=dict)
    _keys: dict = field(default_factory=dict)  # tensor on a grid -> key of its group
    _parent: dict = field(default_factory=dict)
    _groups: dict = field(default_factory=dict)

    def group(self, key) -> Group:
        """Return the group that `key` belongs to."""
        return self._groups[self._find(key)]

    def group_of(self, tensor) -> Group | None:
        """Return the group on whose grid `tensor` lies, None if it is float."""
        return self.group(self._keys[tensor]) if tensor in self._keys else None

    def key_of(self, tensor):
        """Return the key of the group on whose grid `tensor` lies."""
        return self._keys[tensor]

    def new_group(self, key, group: Group):
        """Enter a group of its own under `key`; return `key`."""
        self._parent[key] = key
        self._groups[key] = group
        return key

    def place(self, tensor, key, rounding: str = "half_even"):
        """Give `tensor` the quantizer of the group of `key`."""
        self._keys[tensor] = key
        self.outputs[tensor] = Placement(key, rounding)

    def pass_on(self, tensor, key):
        """Note that `tensor` lies on the grid of `key` without a quantizer."""
        self._keys[tensor] = key

    def share(self, keys, name: str):
        """Merge the groups of `keys` into one.

        Raises:
            ValueError: if their formats differ.
        """
        roots = list(dict.fromkeys(self._find(key) for key in keys))
        if len(roots) < 2:
            return
        formats = {self._groups[root].name: self._groups[root].format for root in roots}
        if len(set(formats.values())) > 1:
            listed = ", ".join(f"{n.replace('__', '/')}: {f}" for n, f in formats.items())
            raise ValueError(
                "Quantizers can share a threshold only if sign and bits agree; give the layers the "
                f"same widths in `overrides`. Received: {listed}"
            )
        first, *others = roots
        self._groups[first].name = name
        for other in others:
            self._parent[other] = first

    def share_namesakes(self):
        """Give the calls of one layer one quantizer, or names of their own where formats differ."""
        namesakes = {}
        for key in self._groups:
            if self._find(key) is key:
                group = self._groups[key]
                namesakes.setdefault(group.name, {}).setdefault(group.format, []).append(key)
        taken = set(namesakes)
        for name, by_format in namesakes.items():
            for i, keys in enumerate(by_format.values()):
                self.share(keys, name)
                if i:
                    layer, _, role = name.rpartition("__")
                    free = free_name(numbered(layer, f"__{role}"), taken)
                    self.group(keys[0]).name = free

    def _find(self, key):
        while self._parent[key] is not key:
            key = self._parent[key]
        return key


def scale_groups(regions: Regions) -> Plan:
    """Decide which tensors of a canonical float model are quantized, and which share a scale.

    Quantized are: the inputs of the quantized region; the outputs of kernel layers, additions,
    pools and ReLUs, but not where only an activation reads them; what float layers hand to the
    quantized region. Operands of a merge share one scale; one that differs in sign or width gets
    one more quantizer.
    """
    return _Planner(regions).plan


class _Planner:
    def __init__(self, regions):
        self.regions = regions
        self.graph, self.config = regions.graph, regions.config
        self.target = get_target(self.config.target)
        self.plan = Plan()
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
        if self.regions.is_float(call):
            for tensor in call.outputs:
                self._float_output(call, tensor)
        elif is_grid_preserving(call):
            self._pass_on(call)
        elif type(call.layer) in SCALE_SHARING:
            self._merge(call)
        elif is_average_pool(call) or is_mean(call) or isinstance(call.layer, AveragePoolConv2D):
            self._average(call)
        else:
            if leaky_slope(call.layer) is not None:
                self.plan.roundings[call] = self._rounding(call.inputs[0])
            self._add(call, signed=relu_max(call.layer) is None)

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
        for tensor in call.outputs if on_grid else ():
            self.plan.pass_on(tensor, self.plan.key_of(on_grid[0]))

    def _average(self, call):
        group = self.plan.group_of(call.inputs[0])
        signed = group is None or group.format.signed
        if is_mean(call) or self.target.pool_as_depthwise or group is None:
            self._add(call, signed)
        else:
            key = self.plan.key_of(call.inputs[0])
            self.plan.place(call.output, key, self._rounding(call.output))

    def _merge(self, call):
        plan, name = self.plan, f"{call.layer.name}__inputs"
        formats = [plan.group_of(t).format for t in call.inputs if plan.group_of(t)]
        if not formats:
            return
        common = _common_format(formats)
        fits = [bool(plan.group_of(t)) and plan.group_of(t).format == common for t in call.inputs]
        agreeing = [plan.key_of(t) for t, fit in zip(call.inputs, fits, strict=True) if fit]
        key = agreeing[0] if agreeing else plan.new_group((call, "inputs"), Group(name, common))
        plan.share(agreeing, name)
        if not all(fits):
            plan.group(key).name = name
            for i, fit in enumerate(fits):
                if not fit:
                    rounding = self._rounding(call.inputs[i])
                    plan.operands[call, i] = Placement(key, rounding)
        if type(call.layer) in SELECTING:
            plan.pass_on(call.output, key)
        else:
            signed = common.signed or type(call.layer) is L.Subtract
            self._add(call, signed)

    def _rounding(self, tensor):
        """Return how the engine rounds what it moves from `tensor` to a grid."""
        call = self.graph.producer.get(tensor)
        if self.plan.group_of(tensor):
            return self.target.rescale
        if call is None or self.regions.is_float(call):
            return "half_even"
        if type(call.layer) in (L.Add, L.Subtract):
            return self.target.add
        if is_mean(call):
            return self.target.mean
        if is_average_pool(call) or isinstance(call.layer, AveragePoolConv2D):
            return self.target.average_pool
        if leaky_slope(call.layer) is not None:
            return self.target.rescale
        if is_grid_preserving(call) or relu_max(call.layer) is not None:
            return self._rounding(call.inputs[0])
        return "half_even"

    def _add(self, call, signed, tensor=None, role="output"):
        tensor = call.output if tensor is None else tensor
        bits = self.config.for_layer(call.layer.name).activations
        if bits is not None and not self.regions.is_absorbed(tensor):
            group = Group(f"{call.layer.name}__{role}", FixedPoint(bits, signed))
            rounding = self._rounding(tensor)
            self.plan.place(tensor, self.plan.new_group(tensor, group), rounding)

    def _add_input(self, tensor, name, role):
        if self.config.inputs is not None:
            group = Group(f"{name}__{role}", FixedPoint(self.config.inputs))
            self.plan.place(tensor, self.plan.new_group(tensor, group))

    def _share_as_configured(self):
        for globs in self.config.share:
            keys = [
                self.plan.outputs[tensor].key
                for call in self.graph.calls
                for tensor in call.outputs
                if tensor in self.plan.outputs
                and any(fnmatch.fnmatchcase(call.layer.name, glob) for glob in globs)
            ]
            if keys:
                layer = self.plan.group(keys[0]).name.rpartition("__")[0]
                self.plan.share(keys, f"{layer}__shared")


def _common_format(formats):
    signed = any(format.signed for format in formats)
    return FixedPoint(max(format.bits for format in formats), signed)


def _is_float(tensor):
    return keras.backend.standardize_dtype(tensor.dtype).startswith(("float", "bfloat"))
