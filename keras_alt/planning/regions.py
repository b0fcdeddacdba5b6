"""Which calls of a canonical float model are quantized, and which stay float."""

from collections.abc import Collection

from keras_alt.config import QuantizeConfig
from keras_alt.graph import Call, Graph
from keras_alt.operators import Grid, Operator, has_grid, is_batch_norm, is_kernel, operator_of
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
        self._tail = self._float_tail()

    def operator(self, call: Call) -> Operator | None:
        """Return the entry of the called layer, None if the call is not in the quantized region."""
        stays_float = call in self._tail or self.config.skips(call.layer.name)
        return None if stays_float else operator_of(call)

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
        return tensor not in self._outputs and bool(readers) and all(map(self._absorbs, readers))

    def is_wanted(self, tensor) -> bool:
        """Return whether the quantized region reads the tensor, directly or through reshapes."""
        for reader in self.graph.readers[tensor]:
            if self.is_float(reader):
                continue
            if not has_grid(reader, Grid.KEPT) or any(map(self.is_wanted, reader.outputs)):
                return True
        return False

    def ends(self) -> set:
        """Return the first and the last kernel layers.

        No kernel comes before a first one, and none after a last one.
        """
        kernels = [call for call in self.graph.calls if is_kernel(call)]
        behind, ahead = self._reached(kernels)
        first = {c.layer for c in kernels if not any(t in behind for t in c.inputs)}
        last = {c.layer for c in kernels if not any(t in ahead for t in c.outputs)}
        return first | last

    def _float_tail(self) -> Collection[Call]:
        """Return the calls behind the last kernels that read floats from behind a kernel.

        A quantizer in front of them would be the last one, so they stay float. A merge of a sigmoid
        with another head is such a call.
        """
        self._tail = frozenset()
        kernels = [c for c in self.graph.calls if is_kernel(c) and not self.is_float(c)]
        behind, ahead = self._reached(kernels)
        floats, tail = set(), set()
        for call in self.graph.calls:
            reads_float = any(tensor in floats for tensor in call.inputs)
            if self.is_float(call) and any(tensor in behind for tensor in call.outputs):
                floats.update(call.outputs)
            elif reads_float and call not in kernels and ahead.isdisjoint(call.outputs):
                floats.update(call.outputs)
                tail.add(call)
        return tail

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
