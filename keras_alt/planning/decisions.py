"""The plan of a quantized model: values only, nothing is built."""

from dataclasses import dataclass, field

from keras_alt.formats import FixedPoint
from keras_alt.replacements import free_name, numbered


@dataclass
class Group:
    """Tensors that share one threshold.

    Attributes:
        layer: name of the layer that the quantizer is called after.
        role: what the tensors are to that layer: "input", "output", "inputs" of a merge, "shared".
        format: the common `FixedPoint`.
    """

    layer: str
    role: str
    format: FixedPoint

    @property
    def name(self) -> str:
        """Name of the quantizer as a node of the graph."""
        return f"{self.layer}__{self.role}"

    def __str__(self):
        return f"{self.layer}/{self.role}"


@dataclass(frozen=True)
class Placement:
    """A quantizer behind a tensor: the group's, with the rounding of what computed the tensor."""

    key: object
    rounding: str = "half_even"


@dataclass(frozen=True, eq=False)
class Substitution:
    """One Quant layer that takes the place of a layer; calls that share it have the same one.

    Attributes:
        quantized: its type.
        arguments: of its constructor, where they differ from those of the layer.
        suffix: of its name, where a layer is replaced by several.
    """

    quantized: type
    arguments: dict
    suffix: str = ""


@dataclass
class Plan:
    """Where quantizers go, and which layers are replaced by what.

    Attributes:
        bias_rule: where biases lie, see `Target.bias_rule`.
        outputs: tensor -> `Placement`, for tensors that are quantized where they arise.
        operands: (call, position) -> `Placement`, for operands of a merge that are quantized once
            more, because their own format differs.
        fused: call -> the activation that the quantizer behind it computes in its own pass.
        folded: call of a batch norm -> call of the layer that folds it while both train.
        layers: call -> `Substitution`, for layers that are replaced.
    """

    bias_rule: str
    outputs: dict = field(default_factory=dict)
    operands: dict = field(default_factory=dict)
    fused: dict = field(default_factory=dict)
    folded: dict = field(default_factory=dict)
    layers: dict = field(default_factory=dict)
    _keys: dict = field(default_factory=dict)  # tensor on a grid -> key of its group
    _parent: dict = field(default_factory=dict)
    _groups: dict = field(default_factory=dict)

    def __str__(self):
        quantizers = {str(group): str(group.format) for group in self.groups}
        layers = {
            call.layer.name: f"{substitution.quantized.__name__} {substitution.arguments}"
            for call, substitution in self.layers.items()
        }
        return "\n".join(f"{name}: {value}" for name, value in {**layers, **quantizers}.items())

    @property
    def groups(self) -> list[Group]:
        """The groups, in the order of their first tensors."""
        return [group for key, group in self._groups.items() if self._parent[key] is key]

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

    def share(self, keys, layer: str, role: str):
        """Merge the groups of `keys` into one, called `<layer>/<role>`.

        Raises:
            ValueError: their formats differ.
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
        for other in roots[1:]:
            self._parent[other] = roots[0]

    def share_namesakes(self):
        """Give the calls of one layer one quantizer, or names of their own where formats differ."""
        namesakes = {}
        for key, group in self._groups.items():
            if self._parent[key] is key:
                formats = namesakes.setdefault((group.layer, group.role), {})
                formats.setdefault(group.format, []).append(key)
        taken = {f"{layer}__{role}" for layer, role in namesakes}
        for (layer, role), by_format in namesakes.items():
            for i, keys in enumerate(by_format.values()):
                self.share(keys, layer, role)
                if i:
                    free = free_name(numbered(layer, f"__{role}"), taken)
                    self.group(keys[0]).layer = free.removesuffix(f"__{role}")

    def _find(self, key):
        while self._parent[key] is not key:
            key = self._parent[key]
        return key
