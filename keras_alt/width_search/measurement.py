"""Measurement of what narrower widths do to the outputs of a quantized model."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops, tree

from keras_alt.calibration import ThresholdRule, mse
from keras_alt.calibration.applying import apply
from keras_alt.calibration.batches import ActivationStore, read_batches
from keras_alt.costs import bit_operations, multiply_accumulates, weight_bits
from keras_alt.formats import FixedPoint
from keras_alt.graph import Graph, functional
from keras_alt.number_checks import whole_numbers
from keras_alt.progress import progress_bar
from keras_alt.quantizer import quantizers
from keras_alt.width_search.choices import activation_choices, kernel_choices, narrowed
from keras_alt.width_search.judge import Judge, first_labels
from keras_alt.width_search.table import Sensitivity, SensitivityRow


def sensitivity(
    model: keras.Model,
    data,
    labels: np.ndarray | None = None,
    loss: str | Callable | None = None,
    bits: Sequence[int] = (4, 6, 8),
    activations: bool = False,
    weights: ThresholdRule | None = mse,
    samples: int = 64,
    batch_size: int = 32,
    verbose: bool = True,
) -> Sensitivity:
    """Measure what the outputs of a model lose if one layer has fewer bits.

    Each layer in turn gets each width that is below its own, while all others stay. What lies in
    front of the layer is computed once: the samples are led through the model layer by layer, and
    at each layer, for each width, what lies behind is computed from there. So `n` layers take about
    `n / 2` passes of the samples for each width, and nothing is calibrated again.

    Args:
        model: calibrated model from `keras_alt.quantize_model`, with the widest widths that are
            considered. It is the same afterwards, also after an error or an interrupt.
        data: inputs as for `keras_alt.calibrate`.
        labels: an array with a label for each sample of `data`, for `loss`.
        loss: as for `compile`; its mean is measured as well, and `keras_alt.allocate` goes by it.
            Without it, the ratio of signal to noise at the outputs is measured alone.
        bits: widths to try.
        activations: whether the quantizers of activations are narrowed too, one at a time. Their
            thresholds stay.
        weights: rule for the thresholds of a narrowed kernel, as in `keras_alt.calibrate`. None
            keeps them, as `keras_alt.retarget` does: for thresholds that were trained.
        samples: how many samples are read, from the start of `data`.
        batch_size: how many of them pass through a layer at a time.
        verbose: whether to show a progress bar.

    Returns:
        `Sensitivity`. Print it for a table.

    Raises:
        ValueError: the model has no kernels with a width or is not calibrated, `bits` are no
            widths, there are not as many labels as samples, or the outputs are all zero.

    Example:

    ```python
    sensitivity = keras_alt.sensitivity(quantized, x_train, bits=(2, 4, 6))
    print(sensitivity)
    ```
    """
    model = functional(model)
    bits = _checked_bits(bits)
    graph = Graph(model)
    kernels = kernel_choices(graph)
    _require_calibrated(model, kernels)
    batches = read_batches(model, data, samples, batch_size)
    judge = Judge(model, first_labels(labels, loss, batches), loss)
    choices = kernels + (activation_choices(graph) if activations else [])
    rows = _Walk(graph, batches, choices, bits, weights, judge, verbose).run()
    own = [rows[choice][-1] for choice in kernels]
    operations = bit_operations(multiply_accumulates(graph))
    return Sensitivity(
        [row for choice in choices for row in rows[choice]],
        judge.loss_of(judge.expected),
        weight_bits(graph) - sum(row.weight_bits for row in own),
        operations - sum(row.bit_operations for row in own),
    )


class _Walk:
    """Leads the samples through the graph once; tries the widths of each layer on the way."""

    def __init__(self, graph, batches, choices, bits, rule, judge, verbose):
        self.graph, self.batches = graph, batches
        self.choices, self.bits, self.rule, self.judge = choices, bits, rule, judge
        self.store = ActivationStore(graph)
        self.ends = set(graph.outputs)
        # The ends in front of a layer, for each batch: they do not change with it.
        self.in_front = [
            {t: array for t, array in zip(graph.inputs, arrays, strict=True) if t in self.ends}
            for arrays in batches
        ]
        self.last_read = {t: i for i, call in enumerate(graph.calls) for t in call.inputs}
        tries = sum(len(self.narrower(choice)) for choice in choices)
        self.progress = progress_bar(tries, "width", verbose)

    def narrower(self, choice):
        return [bits for bits in self.bits if bits < choice.bits]

    def run(self) -> dict:
        """Return `{choice: rows}`, from narrow to wide."""
        self.store.feed(self.batches)
        self.in_front = [self.ends_of(batch, 0) for batch in range(self.store.count)]
        self.judge.expect(self.outputs(len(self.graph.calls)))
        rows = {}
        for index, call in enumerate(self.graph.calls):
            for choice in self.choices:
                if choice.first is call:
                    rows[choice] = self.rows(choice, index)
            for batch in range(self.store.count):
                self.store.put(batch, call, apply(call, self.store, batch))
            self.store.release(call)
        return rows

    def rows(self, choice, index):
        rows = []
        for bits in self.narrower(choice):
            with narrowed(choice, bits, self.rule):
                rows.append(self.row(choice, bits, self.outputs(index)))
            self.progress.add(1)
        return [*rows, self.row(choice, choice.bits, self.judge.expected)]

    def row(self, choice, bits, outputs):
        return SensitivityRow(
            choice.layer,
            choice.role,
            bits,
            self.judge.sqnr_db(outputs),
            self.judge.loss_of(outputs),
            choice.weights * bits,
            choice.operations * bits,
        )

    def outputs(self, index):
        """Return the outputs of the model, computed from the call at `index` on."""
        parts = [self.ends_of(batch, index) for batch in range(self.store.count)]
        return [np.concatenate([part[tensor] for part in parts]) for tensor in self.graph.outputs]

    def ends_of(self, batch, index):
        """Return `{output of the model: array}` of a batch."""
        values = _Behind(self.store)
        for at, call in enumerate(self.graph.calls[index:], index):
            results = tree.flatten(apply(call, values, batch))
            values.put(zip(call.outputs, results, strict=True))
            values.drop(t for t in call.inputs if self.last_read[t] == at and t not in self.ends)
        behind = {t: ops.convert_to_numpy(values.get(batch, t)) for t in self.ends & values.tensors}
        return {**self.in_front[batch], **behind}


class _Behind:
    """The values of a batch behind a layer; those in front of it come from a store."""

    def __init__(self, store):
        self.store = store
        self.values = {}

    @property
    def tensors(self):
        return self.values.keys()

    def get(self, batch, tensor):
        return self.values[tensor] if tensor in self.values else self.store.get(batch, tensor)

    def put(self, pairs):
        self.values.update(pairs)

    def drop(self, tensors):
        for tensor in tensors:
            self.values.pop(tensor, None)


def _checked_bits(bits):
    bits = whole_numbers("bits", bits, "widths, such as (4, 6, 8)", lambda widths: True)
    return sorted({FixedPoint(width).bits for width in bits})


def _require_calibrated(model, kernels):
    found = quantizers(model)
    if not kernels:
        raise ValueError(
            "`sensitivity` expects a model with kernels of some bits, from "
            f"`keras_alt.quantize_model`. Received: model '{model.name}' without any"
        )
    unset = [name for name, quantizer in found.items() if not quantizer.calibrated]
    if unset:
        raise ValueError(
            "Every threshold must be set: call `keras_alt.calibrate(model, data)` first. "
            f"Received: no threshold for {', '.join(unset[:3])}"
        )
