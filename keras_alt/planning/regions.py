"""Which calls of a canonical float model are quantized, and which stay float."""

import keras

from keras_alt.config import QuantizeConfig
from keras_alt.graph import Call, Graph
from keras_alt.layers.conv import AveragePoolConv2D
from keras_alt.roles import (
    is_average_pool,
    is_batch_norm,
    is_grid_preserving,
    is_kernel,
    is_mean,
    leaky_slope,
    relu_max,
)
from keras_alt.transforms.fold_batch_norm import linear_in_front

L = keras.layers
# Their operands must lie on one grid.
SCALE_SHARING = (L.Add, L.Subtract, L.Concatenate, L.Maximum, L.Minimum)
# Their outputs are values of their operands, so they lie on that grid too.
SELECTING = (L.Concatenate, L.Maximum, L.Minimum)


class Regions:
    """The quantized and the float region of a canonical model.

    Args:
        graph: of a model from `keras_alt.transforms.canonical`.
        config: `QuantizeConfig`.
    """

    def __init__(self, graph: Graph, config: QuantizeConfig):
        self.graph = graph
        self.config = config
        self._outputs = set(graph.outputs)

    def is_float(self, call: Call) -> bool:
        """Return whether the call stays float: no quantized form, or listed in `skip`."""
        return self.config.skips(call.layer.name) or not self._has_quantized_form(call)

    def folded_into(self, call: Call) -> Call | None:
        """Return the kernel call that folds the batch norm `call` while training, if one does."""
        if self.config.batch_norm != "train" or not is_batch_norm(call):
            return None
        linear = linear_in_front(self.graph, call)
        skipped = linear is None or self.config.skips(linear.layer.name)
        return None if skipped or self.config.skips(call.layer.name) else linear

    def is_absorbed(self, tensor) -> bool:
        """Return whether only ReLUs, leaky ReLUs or a norm being folded read the tensor.

        Then nothing is quantized between: the sum is activated at full precision.
        """
        readers = self.graph.readers[tensor]
        return tensor not in self._outputs and bool(readers) and all(map(self._absorbs, readers))

    def is_wanted(self, tensor) -> bool:
        """Return whether the quantized region reads the tensor, possibly through reshapes."""
        for reader in self.graph.readers[tensor]:
            if self.is_float(reader):
                continue
            if not is_grid_preserving(reader) or any(map(self.is_wanted, reader.outputs)):
                return True
        return False

    def ends(self) -> set:
        """Return the kernel layers that inputs reach, or that reach outputs, past no other."""
        kernels = [call for call in self.graph.calls if is_kernel(call)]
        behind, ahead = set(), set()  # tensors that come after a kernel, and before one
        for call in self.graph.calls:
            if call in kernels or any(tensor in behind for tensor in call.inputs):
                behind.update(call.outputs)
        for call in reversed(self.graph.calls):
            if call in kernels or any(tensor in ahead for tensor in call.outputs):
                ahead.update(call.inputs)
        first = {c.layer for c in kernels if not any(t in behind for t in c.inputs)}
        last = {c.layer for c in kernels if not any(t in ahead for t in c.outputs)}
        return first | last

    def _absorbs(self, reader):
        if self.config.skips(reader.layer.name):
            return False
        rectifies = relu_max(reader.layer) is not None or leaky_slope(reader.layer) is not None
        return rectifies or self.folded_into(reader) is not None

    def _has_quantized_form(self, call):
        layer = call.layer
        return (
            is_kernel(call)
            or isinstance(layer, AveragePoolConv2D)
            or is_grid_preserving(call)
            or (type(layer) in SCALE_SHARING and len(call.inputs) > 1)
            or relu_max(layer) is not None
            or leaky_slope(layer) is not None
            or is_average_pool(call)
            or is_mean(call)
            or self.folded_into(call) is not None
        )
