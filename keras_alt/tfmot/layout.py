"""The layout of ALT inside tfmot: a model in canonical form and its quantizers."""

import dataclasses

import keras

from keras_alt.config import QuantizeConfig
from keras_alt.formats import FixedPoint
from keras_alt.graph import Graph, Replay, call_and_fill, weights_from
from keras_alt.operators import is_kernel
from keras_alt.planning import Regions, plan
from keras_alt.tfmot.conversion import to_keras3
from keras_alt.tfmot.layers import arguments_of
from keras_alt.tfmot.nodes import keras3_name, options
from keras_alt.tfmot.packages import imported
from keras_alt.transforms import canonical

_, tf_keras = imported()


@dataclasses.dataclass(frozen=True)
class Layout:
    """A tf_keras model in canonical form, and its plan.

    Attributes:
        model: the `tf_keras.Model`. Where an input or the output of a float layer is quantized, it
            has a linear `Activation` with the name of our quantizer, `<layer>__<role>`.
        kernels: `{layer name: bits of the kernel}`.
        outputs: `{layer name: format of the output}`.
    """

    model: object
    kernels: dict[str, int | None]
    outputs: dict[str, FixedPoint]


def planned(model, config: QuantizeConfig, annotated: dict[str, dict]) -> Layout:
    """Return the layout of a float tf_keras model.

    Args:
        model: functional or Sequential; not changed.
        config: the widths of annotated layers without their own.
        annotated: `{name of a layer to quantize: its own widths}`, with widths as in
            `QuantizeConfig.overrides`.
    """
    names = [layer.name for layer in model.layers]
    float_model, _, _ = to_keras3(model)
    graph = Graph(canonical(float_model, config))
    origins = {call.layer.name: _origin(call.layer.name, names) for call in graph.calls}
    config = dataclasses.replace(
        config,
        skip=tuple(name for name, origin in origins.items() if origin not in annotated),
        overrides={n: annotated[o] for n, o in origins.items() if annotated.get(o)},
    )
    regions, layout = Regions(graph, config), plan(graph, config)
    groups = {tensor: layout.group(place.key) for tensor, place in layout.outputs.items()}
    marks = {
        tensor: group.name
        for tensor, group in groups.items()
        if tensor not in graph.producer or regions.is_float(graph.producer[tensor])
    }
    kernels = {
        call.layer.name: substitution.arguments["kernel_bits"]
        for call, substitution in layout.layers.items()
        if is_kernel(call)
    }
    outputs = {
        marks.get(tensor) or graph.producer[tensor].layer.name: group.format
        for tensor, group in groups.items()
    }
    return Layout(_rebuilt(graph, marks), kernels, outputs)


def _origin(name, names):
    """Return the name of the original layer of a canonical layer."""
    fitting = [n for n in names if f"{name}_".startswith(f"{keras3_name(n)}_")]
    return max(fitting, key=len, default=None)


def _rebuilt(graph, marks):
    """Rebuild a Keras 3 graph in tf_keras, with linear layers behind the tensors of `marks`."""

    def marked(old, tensor):
        if old not in marks:
            return tensor
        return tf_keras.layers.Activation("linear", name=marks[old])(tensor)

    sources = {
        t: tf_keras.Input(batch_shape=t.shape, dtype=t.dtype, name=t.name) for t in graph.inputs
    }
    new = Replay({old: marked(old, tensor) for old, tensor in sources.items()})
    layers = {}
    for call in graph.calls:
        if call.layer not in layers:
            layers[call.layer] = _tf_keras_layer(call.layer)
        args, kwargs = new(call.args), new(options(call.kwargs))
        outputs = call_and_fill(layers[call.layer], weights_from(call.layer), *args, **kwargs)
        new.record(call, list(map(marked, call.outputs, keras.tree.flatten(outputs))))
    model = graph.model
    inputs = keras.tree.map_structure(sources.__getitem__, model.input)
    return tf_keras.Model(inputs, new(model.output), name=model.name)


def _tf_keras_layer(layer):
    cls = getattr(tf_keras.layers, type(layer).__name__, None)
    if cls is None or not isinstance(layer, keras.layers.Layer):
        raise NotImplementedError(
            f"Layer `{layer.name}` must exist in tf_keras too: replace it by one that does. "
            f"Received: {type(layer).__name__}"
        )
    known = arguments_of(cls, tf_keras.layers.Layer)
    config = {**layer.get_config(), "dtype": layer.dtype_policy.name}
    if cls is tf_keras.layers.LeakyReLU:
        config["alpha"] = config.pop("negative_slope")
    # Initializers take other arguments in tf_keras. They are not needed: the weights exist.
    known = {key for key in known if not key.endswith("_initializer")} | {"dtype", "trainable"}
    return cls.from_config({key: config[key] for key in config if key in known})
