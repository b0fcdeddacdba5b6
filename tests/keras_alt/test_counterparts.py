"""Names of other tools: the error tells what they are called here."""

import importlib.util
import inspect
import re

import pytest

import keras_alt
from keras_alt.counterparts import INSTEAD

NAMES = [(tool, name) for tool, names in INSTEAD.items() for name in names]


@pytest.mark.check
@pytest.mark.parametrize(
    ("name", "tool", "ours"),
    [
        ("quantize_annotate_model", "tensorflow-model-optimization", "keras_alt.quantize_model"),
        ("quantize_apply", "tensorflow-model-optimization", "keras_alt.quantize_model"),
        ("quantize_scope", "tensorflow-model-optimization", "keras.models.load_model"),
        ("prune_low_magnitude", "tensorflow-model-optimization", "keras_alt.callbacks.Prune"),
        ("strip_pruning", "tensorflow-model-optimization", "Prune"),
        ("cluster_weights", "tensorflow-model-optimization", "keras_alt.tfmot.to_keras3"),
        ("QConv2D", "QKeras", "keras_alt.layers.QuantConv2D"),
        ("quantized_bits", "QKeras", "QuantizeConfig"),
        ("graffitize", "Graffitist", "keras_alt.quantize_model"),
    ],
)
def test_the_error_for_a_name_of_another_tool_names_ours(name, tool, ours):
    with pytest.raises(AttributeError, match=rf"'{name}'.* of {tool}.*{re.escape(ours)}"):
        getattr(keras_alt, name)


@pytest.mark.check
def test_what_a_module_of_ours_lacks_of_theirs_is_told_too():
    with pytest.raises(AttributeError, match=r"'keras_alt.sparsity' has.*callbacks.Prune"):
        keras_alt.sparsity.keras.prune_low_magnitude  # noqa: B018


@pytest.mark.tensorflow_only
def test_the_bridge_to_tfmot_tells_what_it_lacks():
    pytest.importorskip("tensorflow_model_optimization")
    with pytest.raises(AttributeError, match=r"'keras_alt.tfmot' has.*keras_alt.quantize_model"):
        keras_alt.tfmot.quantization.keras.quantize_apply  # noqa: B018
    with pytest.raises(AttributeError, match=r"'prune_low_magnitude'.*callbacks.Prune"):
        keras_alt.tfmot.prune_low_magnitude  # noqa: B018


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("part", ["quantization", "sparsity", "clustering"])
def test_every_function_of_tfmot_is_told(part):
    import keras_alt.tfmot  # noqa: F401 - before tfmot, which would turn `tf.keras` into tf_keras

    tfmot = pytest.importorskip("tensorflow_model_optimization")
    public = vars(getattr(tfmot, part).keras)
    functions = {name for name, value in public.items() if inspect.isfunction(value)}
    assert functions
    assert not functions - set(INSTEAD["tensorflow-model-optimization"])


@pytest.mark.check
@pytest.mark.parametrize(("tool", "name"), NAMES)
def test_what_is_named_instead_exists(tool, name):
    for path in re.findall(r"keras_alt(?:\.\w+)+", INSTEAD[tool][name]):
        if path.startswith("keras_alt.tfmot"):  # imports tfmot
            assert importlib.util.find_spec("keras_alt.tfmot")
            continue
        found = keras_alt
        for part in path.split(".")[1:]:
            found = getattr(found, part)


@pytest.mark.check
def test_other_names_are_missing_as_in_any_module():
    assert not hasattr(keras_alt, "quantise_model")
    with pytest.raises(AttributeError, match=r"^module 'keras_alt' has no attribute 'x'$") as e:
        keras_alt.x  # noqa: B018
    assert e.value.name == "x" and e.value.obj is keras_alt  # Python suggests a name that is near


@pytest.mark.check
def test_the_costs_on_an_ethos_u_are_at_hand():
    assert callable(keras_alt.engines.ethos_u.ethos_costs)
