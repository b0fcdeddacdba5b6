"""Takes the ranges that tfmot learned over as thresholds of keras_alt."""

from keras_alt.quantizer import Quantizer, quantizers
from keras_alt.tfmot.nodes import keras3_name, nodes
from keras_alt.tfmot.wrappers import is_quantizing, ranges, unwrapped

# tfmot and `quantize_model` both quantize in front of these functions.
BEHIND = ("softmax", "sigmoid", "tanh", "linear")


def learned_thresholds(model) -> dict[str, float]:
    """Return the ranges of a model from tfmot's `quantize_apply`, by the names of our quantizers.

    Ranges of kernels are left out, because tfmot sets them to the largest weight at every step.
    `keras_alt.calibrate` finds this value too, and finds it after batch norms are folded.
    """
    found = {}
    for node in nodes(model):
        if is_quantizing(node.layer):
            bare = unwrapped(node.layer)
            for role, threshold in ranges(node.layer).items():
                if bare is None:
                    found[f"{keras3_name(node.args[0].name)}/input"] = threshold
                elif not role.endswith("kernel"):
                    found[_name(bare, role)] = threshold
    return found


def set_thresholds(model, thresholds: dict[str, float]) -> list[Quantizer]:
    """Set the thresholds of a quantized model by the names of its quantizers.

    Names that the model lacks are ignored. tfmot quantizes more tensors than `quantize_model`, and
    it gives each operand of an addition its own threshold.

    Args:
        model: from `keras_alt.quantize_model`; changed in place.
        thresholds: from `to_keras3`.

    Returns:
        The quantizers that were set. Pass them to `keras_alt.calibrate(model, data, keep=...)`.
    """
    found = quantizers(model)
    names = [name for name in thresholds if name in found]
    for name in names:
        found[name].set_threshold(thresholds[name])
    return [found[name] for name in names]


def _name(layer, role):
    name = keras3_name(layer.name)
    function = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if role != "post_activation" or function in BEHIND or type(layer).__name__ == "Activation":
        return f"{name}/output"
    return f"{name}_{function}/output"
