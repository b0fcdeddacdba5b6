"""The plan of a quantized model. It is complete before any layer is built."""

from collections.abc import Collection

from keras_alt.config import QuantizeConfig
from keras_alt.graph import Graph
from keras_alt.planning.decisions import Group as Group
from keras_alt.planning.decisions import Placement as Placement
from keras_alt.planning.decisions import Plan as Plan
from keras_alt.planning.decisions import Rounding as Rounding
from keras_alt.planning.decisions import Substitution as Substitution
from keras_alt.planning.placement import place_quantizers
from keras_alt.planning.regions import Regions as Regions
from keras_alt.planning.widths import substitute_layers
from keras_alt.targets import get_target


def plan(graph: Graph, config: QuantizeConfig, sparse: Collection[str] = ()) -> Plan:
    """Decide where quantizers are placed in a canonical model, and which layers are replaced.

    Args:
        graph: `Graph` of a model from `keras_alt.transforms.canonical`.
        config: `QuantizeConfig`.
        sparse: names of the layers whose kernel has a mask.

    Returns:
        A `Plan`.

    Raises:
        ValueError: `config` shares a scale between tensors of different formats.
    """
    regions = Regions(graph, config)
    result = Plan(get_target(config.target).bias_rule)
    folded = {call: regions.folded_into(call) for call in graph.calls}
    result.folded = {norm: linear for norm, linear in folded.items() if linear is not None}
    place_quantizers(regions, result)
    substitute_layers(regions, result, sparse)
    return result
