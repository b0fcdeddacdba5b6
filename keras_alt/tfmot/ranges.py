"""The ranges that tfmot learned, as thresholds of keras_alt."""

from keras_alt.quantizer import Quantizer, quantizers
from keras_alt.tfmot.nodes import keras3_name, nodes
from keras_alt.tfmot.wrappers import is_quantizing, ranges, unwrapped

# Functions that tfmot quantizes in front of, as `quantize_model` does.
BEHIND = ("softmax", "sigmoid", "tanh", "linear")


def learned_thresholds(model) -> dict[str, float]:
    """Return the ranges of a model of tfmot's `quantize_apply` by the names of our quantizers.

    Those of kernels are left out: tfmot sets them to the largest weight at every step, which
    `keras_alt.calibrate` finds, too, and finds behind the folding of batch norms.
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

    Names that the model does not have are left out: tfmot quantizes tensors that `quantize_model`
    need not, and gives the operands of an addition thresholds of their own.

    Args:
        model: from `keras_alt.quantize_model`; changed in place.
        thresholds: from `to_keras3`.

    Returns:
        The quantizers that were set, for `keras_alt.calibrate(model, data, keep=...)`.
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
