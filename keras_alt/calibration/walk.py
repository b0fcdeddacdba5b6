"""The walk through the graph that sets every threshold from data."""

import contextlib
import hashlib
from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.adaptive_rounding import AdaptiveRounding
from keras_alt.calibration.applying import apply, arguments
from keras_alt.calibration.batches import ActivationStore, read_batches
from keras_alt.calibration.bias_correction import BiasCorrection
from keras_alt.calibration.channels import chosen_threshold, constant_thresholds
from keras_alt.calibration.float_model import FloatModel
from keras_alt.calibration.histogram import Histogram
from keras_alt.calibration.order import visits
from keras_alt.calibration.thresholds import ThresholdRule, kl_j, maximum, require_rule
from keras_alt.calibration.whole_numbers import whole_number_threshold
from keras_alt.calibration.workers import AllGather, Workers
from keras_alt.graph import Call, Graph, functional
from keras_alt.layer_names import listed
from keras_alt.progress import progress_bar
from keras_alt.quantizer import (
    Quantizer,
    claimed,
    observed,
    quantizer_name,
    quantizers,
    quantizers_of,
)

WEIGHT_ROLES = ("kernel", "depthwise_kernel", "pointwise_kernel", "slope")


def calibrate(
    model: keras.Model,
    data,
    weights: ThresholdRule = maximum,
    activations: ThresholdRule = kl_j,
    samples: int = 256,
    batch_size: int = 32,
    keep: Iterable[Quantizer] = (),
    bias_correction: bool = False,
    adaptive_rounding: bool = False,
    verbose: bool = True,
    all_gather: AllGather | None = None,
) -> dict[str, float | np.ndarray]:
    """Set every threshold of `model` from the values that `data` produces.

    The samples pass through the graph once, layer by layer, and each quantizer sees values that the
    quantizers before it have rounded. If a quantizer is called several times, every call sets its
    threshold again, from all its tensors so far. Frozen thresholds stay. Weights change on request.
    Inputs with unsigned codes (`QuantizeConfig(inputs="uint8")`) that are whole numbers within the
    codes, such as bytes, become the codes, whatever the rule.

    Example:

    ```python
    quantized = keras_alt.quantize_model(model)
    thresholds = keras_alt.calibrate(quantized, x_train, samples=100)
    ```

    Args:
        model: quantized model; changed in place, or not at all if an error occurs.
        data: inputs as for `fit`: array, list or dict of arrays, `tf.data.Dataset`, `PyDataset` or
            generator. Targets and sample weights of `(x, y)` and `(x, y, w)` are ignored.
        weights: rule for kernels and other constants, from `keras_alt.calibration` or any
            `(Histogram, FixedPoint) -> threshold`. The default suits a model that is not retrained;
            the paper retrains from `three_sigma`.
        activations: rule for everything else.
        samples: how many samples are read, from the start of `data`.
        batch_size: how many of them pass through a layer at a time.
        keep: quantizers whose thresholds do not change.
        bias_correction: whether biases change too, such that the mean of every channel that a
            kernel computes is that of the float model on `data`, or the mean of the residual sum
            that alone reads it. It helps models that are not retrained, and those with depthwise
            kernels most. It takes up to three times as long.
        adaptive_rounding: whether kernels change too: each weight takes one of the two codes around
            it, such that each layer's output is near the float model's. It helps models with fewer
            than 8 bits, and training starts from these codes. The time is linear in the depth.
            Layers that are frozen, that are called several times or that fold a batch norm in
            training keep their weights, as they keep their biases.
        verbose: whether to show a progress bar.
        all_gather: for several workers that each have the model and a shard of the data: a function
            that takes an int32 array and returns the arrays of all workers, in the same order on
            each, such as `keras_alt.calibration.all_gather`. Histograms are merged, so every worker
            gets the thresholds that all data give. Each reads `samples` samples of its shard.

    Raises:
        ValueError: the model has no quantizers, `data` does not fit it, or an argument is none of
            those above.
        RuntimeError: another thread calibrates the model, or measures its report; or another worker
            had an error.
        NotImplementedError: `adaptive_rounding` with `all_gather`.

    Returns:
        `{quantizer name: threshold}`. The thresholds of a kernel whose channels have their own are
        an array that broadcasts over the kernel.
    """
    found = quantizers(model)
    if not found:
        raise ValueError(
            "`calibrate` expects a model with quantizers, from `keras_alt.quantize_model` or with "
            f"`keras_alt.layers`. Received: model '{model.name}' without any."
        )
    for name, rule in (("weights", weights), ("activations", activations)):
        require_rule(name, rule)
    keep = _checked_keep(keep, found)
    workers = Workers(all_gather)
    if adaptive_rounding and all_gather is not None:
        raise NotImplementedError(
            "`adaptive_rounding` expects all data on one worker: calibrate there and send the "
            "weights to the others. Received: adaptive_rounding=True, all_gather"
        )
    rules = weights, activations
    with workers.told_of_errors():
        batches = read_batches(functional(model), data, samples, batch_size)
        workers.require_same(
            "model and arguments", _digest(model, found, rules, keep, bias_correction)
        )
        graph, correction, rounding = Graph(model), None, None
        if bias_correction or adaptive_rounding:
            argument = "bias_correction" if bias_correction else "adaptive_rounding"
            floats = FloatModel(model, batches, argument)
            if bias_correction:
                correction = BiasCorrection(graph, floats, workers)
            if adaptive_rounding:
                centered = correction.layers if correction else frozenset()
                rounding = AdaptiveRounding(graph, floats, len(batches), centered)
        variables = [quantizer.log2_threshold for quantizer in found.values()]
        variables += [layer.bias for layer in _changed_by(correction)]
        variables += [layer.kernels()["kernel"] for layer in _changed_by(rounding)]
        walk = _Walk(graph, rules, keep, correction, rounding, workers, verbose)
        with claimed(found.values(), "calibrate"), _unchanged_by_errors(variables):
            walk.run(batches)
            thresholds = [ops.convert_to_numpy(q.log2_threshold) for q in found.values()]
            workers.require_same("thresholds", b"".join(t.tobytes() for t in thresholds))
    return {name: quantizer.threshold for name, quantizer in found.items()}


def _digest(model, found, rules, keep, bias_correction) -> bytes:
    """Return what is the same on two workers that calibrate the same."""
    names = [getattr(rule, "__qualname__", repr(rule)) for rule in rules]
    kept = sorted(name for name, quantizer in found.items() if quantizer in keep)
    formats = [(name, quantizer.format) for name, quantizer in found.items()]
    digest = hashlib.sha256(repr((names, kept, formats, bias_correction)).encode())
    for value in model.get_weights():
        digest.update(np.ascontiguousarray(value))
    return digest.digest()


@contextlib.contextmanager
def _unchanged_by_errors(variables):
    before = [np.array(ops.convert_to_numpy(variable)) for variable in variables]
    try:
        yield
    except BaseException:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        raise


def _checked_keep(keep, found) -> set[Quantizer]:
    kept = list(keep) if isinstance(keep, Iterable) else [keep]
    for quantizer in kept:
        if quantizer not in found.values():
            wanted = quantizer if isinstance(quantizer, str) else getattr(quantizer, "name", "")
            raise ValueError(
                "`keep` must hold quantizers of the model, such as "
                "`keras_alt.quantizers(model)['conv/kernel']`. "
                f"Received: {quantizer!r} in `keep`, quantizers={listed(found, wanted)}"
            )
    return set(kept)


class _Walk:
    """Leads the calibration data through the graph once."""

    def __init__(self, graph, rules, keep, correction, rounding, workers, verbose):
        self.graph = graph
        self.weights, self.activations = rules
        self.keep = keep
        self.workers = workers
        self.correction, self.rounding = correction, rounding  # each may be None
        self.calls_left = {}
        for call in self.graph.calls:
            self.calls_left[call.layer] = self.calls_left.get(call.layer, 0) + 1
        self.histograms = {}
        self.progress = progress_bar(len(self.graph.calls), "layer", verbose)

    def run(self, batches):
        store = ActivationStore(self.graph)
        store.feed(batches)
        for calls in visits(self.graph):
            for call in calls:
                if isinstance(call.layer, keras.layers.Layer):
                    self.calibrate_layer(call, store)
                if call.layer in _changed_by(self.correction):
                    self.correct_bias(call, store)
            for call in calls:
                self.compute(call, store)

    def compute(self, call, store):
        """Run a layer whose thresholds are set, and drop what no later call needs."""
        for batch in range(store.count):
            store.put(batch, call, apply(call, store, batch))
        store.release(call)
        self.calls_left[call.layer] -= 1
        if not self.calls_left[call.layer]:
            self.forget(call.layer)
        self.progress.add(1)

    def calibrate_layer(self, call: Call, store):
        layer = call.layer
        for quantizer, values in _constants(layer):
            if self.is_set(quantizer):
                self.set_of_constant(layer, quantizer, ops.convert_to_numpy(values))
        if layer in _changed_by(self.rounding):
            self.rounding.round(call, store)
        self.calibrate_tensors(call, store)

    def calibrate_tensors(self, call: Call, store):
        """Set the thresholds of what the layer computes."""
        layer = call.layer
        constants = [quantizer for quantizer, _ in _constants(layer)]
        pending = [q for q in quantizers_of(layer) if self.is_set(q) and q not in constants]
        while pending:
            current = self.observe_first(call, store, pending)
            if current is None:
                break
            self.set(layer, current, self.workers.merged(self.histograms[current]))
            if layer is current:
                self.keep_whole_numbers(call, store)
            pending.remove(current)

    def set_of_constant(self, layer, quantizer, values):
        """Set the threshold of a constant, or those of its channels."""
        with _named(layer, quantizer):
            thresholds = constant_thresholds(quantizer, values, self.rule(quantizer))
        quantizer.set_threshold(thresholds)

    def is_set(self, quantizer):
        return quantizer not in self.keep and not _is_frozen(quantizer)

    def correct_bias(self, call: Call, store):
        """Correct the bias of a layer, and set the thresholds of what it computes again."""
        self.correction.correct(call, store)
        if call.layer.bias_quantizer is not None:
            self.calibrate_tensors(call, store)  # the bias may be beyond its threshold now

    def keep_whole_numbers(self, call: Call, store):
        """Let each whole number of an unsigned input be its code."""
        if call.layer.format.signed:
            return
        x, count = call.inputs[0], range(store.count)
        values = (ops.convert_to_numpy(store.get(batch, x)) for batch in count)
        threshold = whole_number_threshold(self.graph, call, call.layer.format, values)
        if self.workers.all(threshold is not None):
            call.layer.set_threshold(threshold)

    def observe_first(self, call, store, pending):
        """Run the layer on all batches and watch the first quantizer of `pending` that it calls.

        Returns:
            That quantizer, or None if the layer calls none of them.
        """
        watched = []

        def observer(quantizer, values):
            if not watched:
                watched.append(quantizer)
            if quantizer is watched[0]:
                histogram = self.histograms.setdefault(quantizer, Histogram())
                self.update(histogram, values, call.layer, quantizer)

        with observed(pending, observer):
            for batch in range(store.count):
                if isinstance(call.layer, Quantizer):
                    call.layer.observe(*arguments(call, store, batch)[0], **_activation(call))
                else:
                    apply(call, store, batch)
        return watched[0] if watched else None

    def update(self, histogram, values, layer, quantizer):
        with _named(layer, quantizer):
            histogram.update(ops.convert_to_numpy(values))

    def set(self, layer, quantizer, histogram):
        with _named(layer, quantizer):
            threshold = chosen_threshold(quantizer, histogram, self.rule(quantizer))
        quantizer.set_threshold(threshold)

    def rule(self, quantizer):
        """Return the rule that chooses the threshold of a quantizer."""
        return self.weights if quantizer.role in WEIGHT_ROLES else self.activations

    def forget(self, layer):
        if isinstance(layer, keras.layers.Layer):
            for quantizer in quantizers_of(layer):
                self.histograms.pop(quantizer, None)


def _changed_by(step):
    """Return the layers whose weights an optional step of calibration changes."""
    return frozenset() if step is None else step.layers


def _activation(call):
    return {"activation": call.kwargs["activation"]} if "activation" in call.kwargs else {}


def _constants(layer):
    return layer.constants() if hasattr(layer, "constants") else []


def _is_frozen(quantizer):
    return bool(ops.convert_to_numpy(quantizer.frozen))


@contextlib.contextmanager
def _named(layer, quantizer):
    """Name the quantizer in the errors of its values and of its rule."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Quantizer '{quantizer_name(layer, quantizer)}': {error}") from error
