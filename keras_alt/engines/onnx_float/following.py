"""Follows `call` of a layer with symbolic tensors, to see which operators it is made of."""

import contextlib

import keras
from keras import ops

# Activations of Keras that do not take symbolic tensors, in a form that does.
FOLLOWED = {
    keras.activations.hard_silu: ops.hard_silu,
    keras.activations.sparsemax: ops.sparsemax,
    keras.activations.mish: lambda x: x * ops.tanh(ops.softplus(x)),
}


def follow(layer, *args, **kwargs):
    """Return the symbolic tensors that `call` returns.

    Args:
        layer: layer or operator.
        *args, **kwargs: arguments of `call`, symbolic tensors among them.
    """
    activation = getattr(layer, "activation", None)
    changed = {"activation": FOLLOWED[activation]} if activation in FOLLOWED else {}
    with attributes(layer, changed):
        return layer.call(*args, **kwargs)


def follow_weights(layer, weights: dict, *args, **kwargs):
    """Return what `follow` does, with symbolic tensors for the weights too.

    Keras multiplies a tensor by a weight symbolically, but not a weight by a tensor.

    Args:
        layer: layer.
        weights: `{name of an attribute: symbolic tensor}`.
        *args, **kwargs: as for `follow`.
    """
    with attributes(layer, weights):
        return follow(layer, *args, **kwargs)


def own_weights(layer) -> dict:
    """Return `{name of an attribute: weight}` of a layer itself."""
    return {k: v for k, v in vars(layer).items() if isinstance(v, keras.Variable)}


@contextlib.contextmanager
def attributes(layer, changed: dict):
    """Give a layer other attributes for a while, which Keras does not track."""
    before = {name: vars(layer)[name] for name in changed}
    vars(layer).update(changed)
    try:
        yield
    finally:
        vars(layer).update(before)
