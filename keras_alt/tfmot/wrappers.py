"""Reads the wrappers that tensorflow-model-optimization puts around layers."""

from keras_alt.tfmot.packages import imported

_, tf_keras = imported()
UNLEARNED = (-6.0, 6.0)  # the initial range in tfmot


def unwrapped(layer):
    """Return the tf_keras layer inside a wrapper, or None for a quantizer of a tensor.

    A pruned kernel is multiplied by its mask. A clustered kernel is replaced by its centroids. A
    layer in quantization-aware training gets its float kernel and activation back.
    """
    kind = type(layer).__name__
    if not is_wrapper(layer):
        return layer
    if kind == "QuantizeLayer":
        return None
    if kind == "QuantizeAnnotate":
        return layer.layer
    if kind == "PruneLowMagnitude":
        masks = {weight.ref(): mask for weight, mask, _ in layer.pruning_vars}
        return _copy(
            layer.layer,
            [(w * masks.get(w.ref(), 1.0)).numpy() for w in layer.layer.weights],
        )
    if kind == "ClusterWeightsMHA":
        layer.update_clustered_weights_associations()
        return layer.strip_clustering()
    if kind == "ClusterWeights":
        return _copy(layer.layer, _clustered(layer), layer.build_input_shape)
    return _dequantized(layer)


def is_wrapper(layer) -> bool:
    """Return whether `layer` belongs to tensorflow-model-optimization."""
    return type(layer).__module__.startswith("tensorflow_model_optimization.")


def is_quantizing(layer) -> bool:
    """Return whether `layer` computes its outputs on a grid."""
    return is_wrapper(layer) and hasattr(layer, "optimizer_step")


def ranges(layer) -> dict[str, float]:
    """Return the largest magnitude of each range that tfmot learned, by tfmot's tensor name.

    The names are `kernel`, `pre_activation`, `post_activation`, `output` and the like. A quantizer
    of a tensor uses its own name.
    """
    values = {w.name.split("/")[-1].split(":")[0]: w.numpy() for w in layer.weights}
    found = {}
    for name, low in values.items():
        role = name.removesuffix("_min")
        if role != name and f"{role}_max" in values:
            low, high = float(low.min()), float(values[f"{role}_max"].max())
            if (low, high) != UNLEARNED and max(-low, high) > 0:
                found[role] = max(-low, high)
    return found


def _copy(layer, weights, input_shape=None):
    """Return a built copy of `layer` with these weights."""
    copy = type(layer).from_config(layer.get_config())
    copy.build(layer.input_shape if input_shape is None else input_shape)
    copy.set_weights(weights)
    return copy


def _clustered(layer):
    layer.update_clustered_weights_associations()
    weights = layer.layer.get_weights()
    for position, name in layer.position_original_weights.items():
        weights.insert(position, layer.get_weight_from_layer(name).numpy())
    return weights


def _dequantized(wrapper):
    """Return a copy of a `QuantizeWrapper`'s layer with its float weights and activation."""
    inner = wrapper.layer
    config = inner.get_config()
    if config.get("activation") is not None:
        config["activation"] = _activation(inner.activation)
    copy = type(inner).from_config(config)
    copy.build(wrapper.input_shape)
    # The wrapper keeps the layer's variables and puts tensors in their place.
    values = {_last(w): w for w in [*wrapper.weights, *inner.weights]}
    copy.set_weights([values[_last(w)].numpy() for w in copy.weights])
    return copy


def _last(variable):
    return variable.name.split("/")[-1]


def _activation(function):
    function = getattr(function, "activation", function)  # of a QuantizeAwareActivation
    if type(function).__name__ == "NoOpActivation":
        return "linear"
    return tf_keras.activations.serialize(function)
