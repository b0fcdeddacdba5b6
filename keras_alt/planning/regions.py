"""Which calls of a canonical float model are quantized, and which stay float."""

from keras_alt.config import QuantizeConfig
from keras_alt.graph import Call, Graph
from keras_alt.layers import CappedReLU
from keras_alt.operators import (
    Grid,
    Operator,
    is_batch_norm,
    is_float_in,
    is_kernel,
    operator_of,
    reads_table,
)
from keras_alt.resizing import has_exact_weights
from keras_alt.transforms.fold_batch_norm import linear_in_front


class Regions:
    """The quantized and the float region of a canonical model.

    Args:
        graph: `Graph` of a model from `keras_alt.transforms.canonical`.
        config: `QuantizeConfig`.
    """

    def __init__(self, graph: Graph, config: QuantizeConfig):
        self.graph = graph
        self.config = config
        self._outputs = set(graph.outputs)
        self._behind = self._behind_quantized()
        kernels = {c for c in graph.calls if is_kernel(c) and self._entry(c) is not None}
        self._behind_kernels, self._ahead = self._reached(kernels)
        self._operators, self._wanted, floats = {}, set(), set()
        for call in graph.calls:
            self._operators[call] = self._placed(call, floats)
            if self.is_float(call) and not self._behind_kernels.isdisjoint(call.inputs):
                floats.update(call.outputs)
        for call in reversed(graph.calls):
            self._want(call)

    def operator(self, call: Call) -> Operator | None:
        """Return the entry of the called layer, None if the call is not in the quantized region."""
        return self._operators[call]

    def _entry(self, call):
        skipped = self.config.skips(call.layer.name)
        return None if skipped or is_float_in(call, self.config.target) else operator_of(call)

    def _placed(self, call, floats):
        """Return the entry of a call, None where it prepares the input or shapes the output.

        `floats` are the float tensors from behind a kernel. A merge behind the last kernels that
        reads one stays float, for a quantizer in front of it would be the last one.
        """
        operator = self._entry(call)
        if operator is None or is_kernel(call):
            return operator
        depends = operator.inner or has_exact_weights(call)
        prepares = depends and self._behind.isdisjoint(call.inputs)
        shapes = (operator.inner or not floats.isdisjoint(call.inputs)) and (
            self._ahead.isdisjoint(call.outputs)
        )
        return None if prepares or shapes else operator

    def _want(self, call):
        """Note that the quantized region reads the inputs of a call, if it does.

        The readers of its outputs are noted before.
        """
        operator, wanted = self._operators[call], not self._wanted.isdisjoint(call.outputs)
        if operator is not None and operator.inner and not wanted:
            operator = self._operators[call] = None
        passes_on = operator is not None and operator.grid is Grid.KEPT
        if not self.is_float(call) and (wanted or not passes_on):
            self._wanted.update(call.inputs)

    def _behind_quantized(self):
        """Return the tensors behind a call that gives them a grid of their own."""
        behind = set()
        for call in self.graph.calls:
            if self._gives_grid(call) or not behind.isdisjoint(call.inputs):
                behind.update(call.outputs)
        return behind

    def _gives_grid(self, call):
        operator = self._entry(call)
        depends = operator is None or operator.inner or has_exact_weights(call)
        return not depends and operator.grid is not Grid.KEPT

    def is_float(self, call: Call) -> bool:
        """Return whether the call stays float. It has no quantized form or is in `skip`."""
        return self.operator(call) is None and self.folded_into(call) is None

    def folded_into(self, call: Call) -> Call | None:
        """Return the kernel call that folds the batch norm `call` in training, or None."""
        if self.config.batch_norm != "train" or not is_batch_norm(call):
            return None
        linear = linear_in_front(self.graph, call)
        skipped = linear is None or self.config.skips(linear.layer.name)
        return None if skipped or self.config.skips(call.layer.name) else linear

    def is_absorbed(self, tensor) -> bool:
        """Return whether only ReLUs, leaky ReLUs or a batch norm to fold read the tensor.

        Such a tensor is not quantized. The activation reads the sum at full precision.
        """
        readers = self.graph.readers[tensor]
        producer = self.graph.producer[tensor]
        if reads_table(self.operator(producer)) or type(producer.layer) is CappedReLU:
            return False  # a quantizer belongs to its table, and to its caps
        return tensor not in self._outputs and bool(readers) and all(map(self._absorbs, readers))

    def is_wanted(self, tensor) -> bool:
        """Return whether the quantized region reads the tensor, directly or through reshapes."""
        return tensor in self._wanted

    def ends(self) -> set:
        """Return the first and the last kernel layers.

        No kernel comes before a first one, and none after a last one.
        """
        kernels = [call for call in self.graph.calls if is_kernel(call)]
        behind, ahead = self._reached(kernels)
        first = {c.layer for c in kernels if not any(t in behind for t in c.inputs)}
        last = {c.layer for c in kernels if not any(t in ahead for t in c.outputs)}
        return first | last

    def _reached(self, kernels):
        """Return the tensors behind a kernel, and those in front of one."""
        behind, ahead = set(), set()
        for call in self.graph.calls:
            if call in kernels or any(tensor in behind for tensor in call.inputs):
                behind.update(call.outputs)
        for call in reversed(self.graph.calls):
            if call in kernels or any(tensor in ahead for tensor in call.outputs):
                ahead.update(call.inputs)
        return behind, ahead

    def _absorbs(self, reader):
        operator = self.operator(reader)
        rectifies = operator is not None and operator.rectifies
        return rectifies or self.folded_into(reader) is not None
