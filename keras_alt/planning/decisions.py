"""The plan of a quantized model: values only, nothing is built."""

from dataclasses import dataclass, field

from keras_alt.formats import FixedPoint
from keras_alt.quantizer import node_name
from keras_alt.replacements import free_name, numbered


@dataclass
class Group:
    """Tensors that share one threshold.

    Attributes:
        layer: name of the layer that the quantizer is named after.
        role: role of the tensors in that layer: "input", "output", "shared", or "inputs" for the
            operands of a merge.
        format: their common `FixedPoint`.
        trainable: whether their threshold trains. It does not if every layer that computes one of
            them is frozen.
    """

    layer: str
    role: str
    format: FixedPoint
    trainable: bool = True

    @property
    def name(self) -> str:
        """Name of the quantizer in the graph."""
        return node_name(self.layer, self.role)

    def __str__(self):
        return f"{self.layer}/{self.role}"


@dataclass(frozen=True)
class Rounding:
    """The rounding of one tensor.

    Attributes:
        name: of a rule in `keras_alt.numerics.rounding`.
        terms: what adds up to log2 of the step of the grid that the tensor lies on, if the rule
            depends on it: keys of groups, which stand for the exponents of their quantizers, calls
            with a kernel, which stand for those of their sums.
        halvings: what is taken off these terms, an integer.
    """

    name: str = "half_even"
    terms: tuple = ()
    halvings: int = 0


@dataclass(frozen=True)
class Placement:
    """The quantization of one tensor.

    Attributes:
        key: key of the group whose quantizer is called.
        rounding: rounding of the operator that computes the tensor.
    """

    key: object
    rounding: Rounding = Rounding()


@dataclass(frozen=True, eq=False)
class Substitution:
    """One Quant layer that replaces a float layer. The calls that it replaces share the object.

    Attributes:
        quantized: type of the Quant layer.
        arguments: arguments of its constructor that the float layer does not have.
        suffix: ending of its name if several Quant layers replace one layer.
    """

    quantized: type
    arguments: dict
    suffix: str = ""


@dataclass
class Plan:
    """The quantizers to place and the layers to replace in a model.

    Attributes:
        bias_rule: grid of biases, see `Target.bias_rule`.
        outputs: `{tensor: Placement}` for the tensors that are quantized as soon as they are
            computed.
        operands: `{(call, position): Placement}` for the operands of a merge that are quantized a
            second time, because their own format differs.
        fused: `{call: activation}` for the ReLUs that the quantizer after them computes.
        folded: `{call of a batch norm: call of a layer}`, for each norm that the layer folds in
            training.
        layers: `{call: Substitution}` for the layers that are replaced.
        inner: `{call: Rounding}` of the inputs of ReLUs with slopes, which these round themselves.
    """

    bias_rule: str
    outputs: dict = field(default_factory=dict)
    operands: dict = field(default_factory=dict)
    fused: dict = field(default_factory=dict)
    folded: dict = field(default_factory=dict)
    layers: dict = field(default_factory=dict)
    inner: dict = field(default_factory=dict)
    _keys: dict = field(default_factory=dict)  # tensor on a grid -> key of its group
    _parent: dict = field(default_factory=dict)
    _groups: dict = field(default_factory=dict)

    def __str__(self):
        lines = [f"biases lie {self.bias_rule}"]
        for substitution in dict.fromkeys(self.layers.values()):
            calls = [call for call, s in self.layers.items() if s is substitution]
            name = " and ".join(filter(None, (calls[0].layer.name, substitution.suffix)))
            lines.append(f"{name}: {substitution.quantized.__name__} {substitution.arguments}")
        lines += [f"{group}: {group.format}" for group in self.groups]
        for (call, position), placement in self.operands.items():
            moved = f"operand {position} of {call.layer.name}"
            lines.append(f"{moved}: on the grid of {self.group(placement.key)}")
        lines += [
            f"{call.layer.name}: {kind} in its quantizer" for call, kind in self.fused.items()
        ]
        return "\n".join(lines)

    @property
    def groups(self) -> list[Group]:
        """The groups, in the order of their first tensors."""
        return [group for key, group in self._groups.items() if self._parent[key] is key]

    def group(self, key) -> Group:
        """Return the group that `key` belongs to."""
        return self._groups[self._find(key)]

    def group_of(self, tensor) -> Group | None:
        """Return the group of `tensor`, None if the tensor does not lie on a grid."""
        return self.group(self._keys[tensor]) if tensor in self._keys else None

    def key_of(self, tensor):
        """Return the key of the group of `tensor`."""
        return self._keys[tensor]

    def new_group(self, key, group: Group):
        """Add `group` under `key`; return `key`."""
        self._parent[key] = key
        self._groups[key] = group
        return key

    def place(self, tensor, key, rounding: Rounding = Rounding()):
        """Quantize `tensor` by the quantizer of the group of `key`."""
        self._keys[tensor] = key
        self.outputs[tensor] = Placement(key, rounding)

    def pass_on(self, tensor, key):
        """Record that `tensor` lies on the grid of the group of `key` without a quantizer."""
        self._keys[tensor] = key

    def share(self, keys, layer: str, role: str):
        """Merge the groups of `keys` into one group `<layer>/<role>`.

        Raises:
            ValueError: the formats of the groups differ.
        """
        roots = list(dict.fromkeys(self._find(key) for key in keys))
        if len(roots) < 2:
            return
        groups = [self._groups[root] for root in roots]
        if len({group.format for group in groups}) > 1:
            listed = ", ".join(f"{group}: {group.format}" for group in groups)
            raise ValueError(
                "Quantizers can share a threshold only if sign and bits agree; give the layers the "
                f"same widths in `overrides`. Received: {listed}"
            )
        self._groups[roots[0]].layer, self._groups[roots[0]].role = layer, role
        self._groups[roots[0]].trainable = any(group.trainable for group in groups)
        for other in roots[1:]:
            self._parent[other] = roots[0]

    def share_namesakes(self):
        """Merge groups of equal name and format; number the names if the formats differ."""
        namesakes = {}
        for key, group in self._groups.items():
            if self._parent[key] is key:
                formats = namesakes.setdefault((group.layer, group.role), {})
                formats.setdefault(group.format, []).append(key)
        taken = {node_name(layer, role) for layer, role in namesakes}
        for (layer, role), by_format in namesakes.items():
            for i, keys in enumerate(by_format.values()):
                self.share(keys, layer, role)
                if i:
                    ending = node_name("", role)
                    free = free_name(numbered(layer, ending), taken)
                    self.group(keys[0]).layer = free.removesuffix(ending)

    def _find(self, key):
        while self._parent[key] is not key:
            key = self._parent[key]
        return key
