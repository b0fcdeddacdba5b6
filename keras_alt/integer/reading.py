"""A quantized Keras model, read into integers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import keras

from keras_alt.integer.program import NotIntegerError, Program, Step

# What float layers read or give: a position in the program, or a float tensor of the Keras model.
Source: TypeAlias = int | keras.KerasTensor


@dataclass(frozen=True, eq=False)
class Island:
    """Float layers between quantizers.

    Attributes:
        model: the layers. It takes one tensor for each of `inputs`, and gives one for each of
            `outputs`.
        inputs: the position of each input that lies on a grid. Others are float tensors of the
            Keras model, from `Reading.entry` or another island.
        outputs: the position of each output that a quantizer reads: the codes behind it. Others are
            float tensors that another island or `Reading.exit` reads.
    """

    model: keras.Model
    inputs: list[Source]
    outputs: list[Source]

    @property
    def layers(self) -> list[str]:
        """Names of the float layers."""
        return _layers(self.model)


@dataclass(frozen=True)
class Reading:
    """The integer program of a quantized model, and what the program leaves out.

    Attributes:
        program: the integer operations.
        target: name of the engine rules of the model.
        entry: float model up to the first quantizers (layers such as Rescaling). It gives one
            tensor for each of `program.inputs`, then one for each of `passing`.
        exit: float model behind the last quantizers (layers such as softmax). It takes one tensor
            for each of `exit_inputs`.
        exit_inputs: what `exit` reads: `program.outputs`, then the float tensors of the Keras model
            that `entry` or islands give.
        input_keys: names of the Keras model's inputs where they come as a dictionary.
        output_names: names of the Keras model's outputs.
        taps: position in the program of each symbolic tensor of the Keras model that a quantizer
            node gives or that `exit` or an island takes.
        islands: the float layers between quantizers. No step of the program computes the positions
            that an island gives.
        passing: the float tensors in front of the quantizers that islands or `exit` read.
        roundings: by which floats become the codes of each of `program.inputs`.
    """

    program: Program
    target: str
    entry: keras.Model
    exit: keras.Model
    exit_inputs: list[Source]
    input_keys: list[str]
    output_names: list[str]
    taps: dict[keras.KerasTensor, int]
    islands: list[Island] = field(default_factory=list)
    passing: list[keras.KerasTensor] = field(default_factory=list)
    roundings: list[str] = field(default_factory=list)

    @property
    def entry_layers(self) -> list[str]:
        """Names of the float layers in front of the first quantizers."""
        return _layers(self.entry)

    @property
    def exit_layers(self) -> list[str]:
        """Names of the float layers behind the last quantizers."""
        return _layers(self.exit)

    @property
    def island_layers(self) -> list[str]:
        """Names of the float layers between quantizers."""
        return [name for island in self.islands for name in island.layers]

    def sequence(self) -> Iterator[Step | Island]:
        """Yield the steps of the program and the islands in an order in which each is computable.

        Without islands, these are the steps in the order of the program.
        """
        known: set[Source] = {*self.program.inputs, *self.passing}
        steps, islands = list(self.program.steps), list(self.islands)
        while steps or islands:
            waiting = []
            for step in steps:
                if known.issuperset(step.inputs):
                    known.add(step.output)
                    yield step
                else:
                    waiting.append(step)
            ready = [island for island in islands if known.issuperset(island.inputs)]
            for island in ready:
                known.update(island.outputs)
                yield island
            steps, islands = waiting, [island for island in islands if island not in ready]

    def ends(self) -> list[int]:
        """Return the positions where integers end: the outputs and what islands read."""
        outputs = self.program.outputs
        read = dict.fromkeys(s for island in self.islands for s in island.inputs)
        return [*outputs, *(s for s in read if isinstance(s, int) and s not in outputs)]

    def rounding_layers(self) -> list[str]:
        """Return the names of the float layers whose values an engine may round otherwise.

        These are all layers between quantizers, and those in front if one of them has weights. A
        table of an `Embedding` is looked up, so it is exact.
        """
        return [*(self.entry_layers if self._rounds_in_front() else ()), *self.island_layers]

    def fed(self) -> list[int]:
        """Return the positions of the codes that the values of `rounding_layers` are rounded to."""
        islands = [p for i in self.islands for p in i.outputs if isinstance(p, int)]
        return [*(self.program.inputs if self._rounds_in_front() else ()), *islands]

    def _rounds_in_front(self):
        layers = self.entry.layers
        return any(x.weights and not isinstance(x, keras.layers.Embedding) for x in layers)

    def behind(self) -> set[int]:
        """Return the positions that follow from those of `fed`, themselves included."""
        found = set(self.fed())
        for part in self.sequence():
            outputs = [part.output] if isinstance(part, Step) else part.outputs
            if found.intersection(part.inputs):
                found.update(p for p in outputs if isinstance(p, int))
        return found

    def require_integers(self, who: str):
        """Raise an error if float layers lie between quantizers or pass by them.

        Args:
            who: what computes only integers, as the subject of the message.
        """
        floats = self.island_layers or [t.name for t in self.passing]
        if floats:
            raise NotIntegerError(
                f"{who} computes only integers between the first and the last quantizers: take "
                "these layers off the model, or export with `to_litert` or `to_onnx`, which write "
                f"them in float. Received: float layers {', '.join(floats)}"
            )


def _layers(model: keras.Model) -> list[str]:
    return [
        layer.name for layer in model.operations if not isinstance(layer, keras.layers.InputLayer)
    ]
