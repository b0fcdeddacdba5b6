"""What the functions and layers of other quantization tools are called here."""

import sys

TFMOT = "tensorflow-model-optimization"
QKERAS = "QKeras"
GRAFFITIST = "Graffitist"
QUANTIZE = "`keras_alt.quantize_model(model)`, which returns the quantized model in one call"
WIDTHS = "`QuantizeConfig(weights=8, activations=8)`"
OF_ONE_LAYER = '`QuantizeConfig(overrides={"layer": {"weights": 4}}, skip=("head",))`'
RANGE = "`keras_alt.quantizers(model)[name].set_threshold(threshold)`"
PRUNE = "`model.fit(..., callbacks=[keras_alt.callbacks.Prune(schedule)])`"
SCHEDULE = f"{PRUNE}, with the schedule of `tensorflow_model_optimization.sparsity.keras`"
LOAD = "nothing: `keras.models.load_model(path)` loads models after `import keras_alt`"
STRIPPED = "nothing: `Prune` adds no wrappers, and the weights are zero in the model itself"
CLUSTERS = (
    "nothing, there are no clusters: fewer bits make files small, as `QuantizeConfig(weights=4)`; "
    "`keras_alt.tfmot.to_keras3` moves a clustered model of tf_keras"
)
FOLDED = "`QuantizeConfig(batch_norm='fold')` or `'train'`: `quantize_model` folds batch norms"
FUNCTIONS = "the activation of Keras: `quantize_model` puts quantizers behind activations"
SPARSITY = (
    f"{PRUNE} and `keras_alt.sparsity_masks(model)`; tfmot's own functions are in "
    "`tensorflow_model_optimization.sparsity.keras`"
)
INSIDE = (
    f"{QUANTIZE}, on Keras 3; on tf_keras, `keras_alt.tfmot.ALTScheme()` is an argument of "
    "`quantize_apply` of `tensorflow_model_optimization.quantization.keras`"
)


def _layer(name):
    return f"`keras_alt.layers.{name}`, or a plain Keras layer and `keras_alt.quantize_model`"


INSTEAD = {
    TFMOT: {
        "quantize_model": QUANTIZE,
        "quantize_apply": QUANTIZE,
        "quantize_annotate_model": QUANTIZE,
        "quantize_annotate_layer": OF_ONE_LAYER,
        "quantize_scope": LOAD,
        "fix_input_output_range": RANGE,
        "remove_input_range": RANGE,
        "quantization": INSIDE,
        "QuantizeScheme": "`QuantizeConfig(target='litert')`, and other targets",
        "QuantizeConfig": f"`keras_alt.QuantizeConfig`; for one layer, {OF_ONE_LAYER}",
        "Default8BitQuantizeScheme": QUANTIZE,
        "Default8BitPrunePreserveQuantizeScheme": (
            "`keras_alt.quantize_model(model, masks=keras_alt.sparsity_masks(model))`"
        ),
        "sparsity": SPARSITY,
        "prune_low_magnitude": PRUNE,
        "prune_scope": LOAD,
        "strip_pruning": STRIPPED,
        "UpdatePruningStep": PRUNE,
        "ConstantSparsity": SCHEDULE,
        "PolynomialDecay": SCHEDULE,
        "PruningSummaries": "`masks` of `keras_alt.callbacks.Prune`",
        "clustering": CLUSTERS,
        "cluster_weights": CLUSTERS,
        "cluster_scope": CLUSTERS,
        "strip_clustering": CLUSTERS,
        "keras": SPARSITY,
    },
    QKERAS: {
        **{
            f"Q{name}": _layer(f"Quant{name}")
            for name in ("Dense", "Conv1D", "Conv2D", "Conv2DTranspose", "SeparableConv2D")
        },
        "QDepthwiseConv2D": _layer("QuantDepthwiseConv2D"),
        "QActivation": FUNCTIONS,
        "QAdaptiveActivation": FUNCTIONS,
        "QBatchNormalization": FOLDED,
        "QConv2DBatchnorm": FOLDED,
        "QDepthwiseConv2DBatchnorm": FOLDED,
        "QDenseBatchnorm": FOLDED,
        "quantized_bits": f"{WIDTHS}; the threshold is trained, so there is no integer part to set",
        "quantized_linear": WIDTHS,
        "quantized_relu": f"{WIDTHS} and a ReLU, whose quantizer is unsigned",
        "quantized_po2": f"{WIDTHS}; scales, not weights, are powers of two",
        "model_quantize": QUANTIZE,
        "load_qmodel": LOAD,
        "print_qstats": "`print(keras_alt.report(model))`",
        "QTools": "`print(keras_alt.report(model))`, which has the bits of every sum",
    },
    GRAFFITIST: {
        "graffitize": QUANTIZE,
        "fold_batch_norms": FOLDED,
        "fold_batch_norms_inplace": FOLDED,
        "preprocess_layers": QUANTIZE,
        "remove_training_nodes": QUANTIZE,
    },
}


def missing(module: str, name: str) -> AttributeError:
    """Return the error for a name that `module` lacks; it names ours if another tool has it."""
    text = f"module {module!r} has no attribute {name!r}"
    for tool, instead in INSTEAD.items():
        if name in instead:
            text += f", which is a name of {tool}. Instead of it there is {instead[name]}."
    return AttributeError(text, name=name, obj=sys.modules[module])
