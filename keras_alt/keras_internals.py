"""The one door to attributes that Keras keeps private, as Keras 3.15 has them.

Every other module calls these functions and reads public attributes. When a new Keras renames one
of its own, this file changes and nothing else does.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import keras
from keras import ops, tree


def functional_inside(model: keras.Sequential) -> keras.Model | None:
    """Return the functional model that a Sequential builds; None before it knows its input."""
    return model._functional


def has_graph(model) -> bool:
    """Return whether `model`, of Keras or tf_keras, records the calls it is made of."""
    return hasattr(model, "_nodes_by_depth")


def nodes(model) -> Iterator[Any]:
    """Yield the calls of a functional model of Keras or tf_keras in topological order.

    Inputs are left out. A node of Keras has `operation`, `outputs` and `arguments` (with `args`,
    `kwargs` and `keras_tensors`); one of tf_keras has `layer`, `outputs`, `call_args` and
    `call_kwargs`.
    """
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def is_symbolic(value) -> bool:
    """Return whether `value` is a tensor of a graph, of Keras or tf_keras."""
    return hasattr(value, "_keras_history")


def operation_behind(tensor) -> keras.Operation | None:
    """Return the layer or operator that made a symbolic tensor; None for any other value."""
    history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation


def timestep_mask(tensor):
    """Return the mask that Keras attaches to `tensor`, or None."""
    return remembered(tensor, "_keras_mask")


def keep_timestep_mask(tensor, mask):
    """Attach a mask to `tensor`, unless it is None."""
    if mask is not None:
        remember(tensor, "_keras_mask", mask)


def remember(tensor, name: str, value):
    """Keep a value with a tensor of the backend, as Keras keeps masks and logits."""
    from keras.src.backend.common.tensor_attributes import set_tensor_attr

    set_tensor_attr(tensor, name, value)


def remembered(tensor, name: str):
    """Return what `remember` keeps with a tensor under a name, or None."""
    from keras.src.backend.common.tensor_attributes import get_tensor_attr

    return get_tensor_attr(tensor, name)


def take_arguments_as_they_are(layer: keras.layers.Layer):
    """Keep Keras from converting the arguments of each call of `layer`, which converts its own.

    Without a graph, Keras' way through all arguments takes longer than most quantizers.
    """
    if layer._convert_input_args:
        layer._convert_input_args = False


def is_layer_scale(layer) -> bool:
    """Return whether `layer` is the `LayerScale` of Keras' own applications."""
    kind = type(layer)
    return kind.__name__ == "LayerScale" and kind.__module__.startswith("keras.src.applications.")


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the layers that are attributes of `layer`, or that a model is made of."""
    return layer._flatten_layers(include_self=False, recursive=False)


def nested_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return `layer`, its sub-layers, theirs and so on."""
    return layer._flatten_layers()


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Return the weights of `layer` itself, without those of its sub-layers."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def kernel_variable(layer: keras.layers.Layer) -> keras.Variable:
    """Return the variable behind `layer.kernel` of a dense layer or a convolution.

    `layer.kernel` is a tensor that is computed from it while LoRA is on.
    """
    return layer._kernel


def optimized_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the variables that `optimizer` was built for, in its order."""
    return optimizer._trainable_variables


def position_of(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> int:
    """Return where `variable` stands in `optimized_variables`."""
    return optimizer._get_variable_index(variable)


def averaged_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the moving averages of `optimized_variables`, which an optimizer with EMA keeps."""
    return optimizer._model_variables_moving_average


def resumed_epoch(model: keras.Model) -> int | None:
    """Return the epoch from which a callback resumes a run; None if the run is new."""
    return model._initial_epoch


def resume_at(model: keras.Model, epoch: int | None) -> None:
    """Let `fit` go on at an epoch, counted from 0; None for where it is told to begin."""
    model._initial_epoch = epoch


def history(tensor) -> tuple[keras.Operation, int, int]:
    """Return the operator behind a symbolic tensor, which of its calls, which of the outputs."""
    return tuple(tensor._keras_history)


def build_shapes(layer: keras.layers.Layer) -> dict:
    """Return the input shapes that `layer` was built for, by the names of its arguments."""
    return layer._build_shapes_dict or {}


def input_signature(model: keras.Model) -> list:
    """Return the `InputSpec` of each argument of a built model, as `model.export` takes them."""
    from keras.src.export.export_utils import get_input_signature

    return get_input_signature(model)


def lambda_output_shape(layer: keras.layers.Lambda):
    """Return the argument `output_shape` of a `Lambda`."""
    return layer._output_shape


def trusted_configurations() -> AbstractContextManager:
    """Return a context in which layers with functions of Python are made from configurations."""
    from keras.src.saving.serialization_lib import SafeModeScope

    return SafeModeScope(safe_mode=False)


def projections(layer: keras.layers.Layer) -> dict[str, keras.layers.EinsumDense]:
    """Return the dense layers of a built attention layer of Keras, by what they give."""
    names = ("query", "key", "value", "output")
    return {name: getattr(layer, f"_{name}_dense") for name in names}


class TrainedByWorkers:
    """Mixin of a model that `MultiWorkerMirroredStrategy` trains by `fit`.

    Keras reduces all arrays of the first batch in one call, which TensorFlow refuses, and takes the
    mean of each figure over an axis that scalars do not have.
    """

    def train_step(self, *args, **kwargs):
        return self._with_axis(super().train_step(*args, **kwargs))

    def test_step(self, *args, **kwargs):
        return self._with_axis(super().test_step(*args, **kwargs))

    def _with_axis(self, logs):
        return tree.map_structure(_with_axis, logs) if _has_workers(self) else logs

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and _has_workers(self):
            _, _, batches = next(iter(iterator))
            local = self.distribute_strategy.experimental_local_results
            data_batch = tree.map_structure(lambda value: local(value)[0], next(batches))
            iterator = None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)


def _with_axis(figure):
    return ops.reshape(figure, (1,))


def _has_workers(model):
    """Return whether the model was made in the scope of a strategy with several processes."""
    strategy = getattr(model, "_distribute_strategy", None)
    spans = getattr(getattr(strategy, "extended", None), "_in_multi_worker_mode", None)
    return spans is not None and spans()
