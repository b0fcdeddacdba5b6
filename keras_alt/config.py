"""The configuration of quantization: which layers, how many bits, which rules."""

import glob
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keras_alt.choices import is_choice
from keras_alt.formats import FixedPoint
from keras_alt.layer_names import checked_globs, is_iterable, listed, matches, unmatched
from keras_alt.targets import get_target

LAYER_WIDTHS = ("weights", "activations", "biases", "accumulators")
WIDTHS = (*LAYER_WIDTHS, "inputs", "first_and_last_weights")


@dataclass(frozen=True)
class QuantizeConfig:
    """Widths and rules of `keras_alt.quantize_model`.

    A width is an integer from 2 to 32 bits. None leaves the tensor float.

    Args:
        weights: bits of kernels.
        activations: bits of layer outputs. Outputs that are never negative, such as those of ReLU
            and ReLU6, get unsigned codes. Others get signed codes.
        inputs: format of the model inputs: bits of signed codes, or a name such as `"uint8"`.
            `"uint8"` is for inputs that are never negative, such as images of 0..255, whose codes
            are then the bytes. A `Rescaling` in front of the first kernel is folded into the
            kernel, except for its power of two. Behind float layers that may give negative values,
            codes are signed. `"auto"` lets `quantize_model` choose `"uint8"` or `"int8"` by the
            sign of its `calibration_data`.
        biases, accumulators: bits of biases and of the sums of kernel layers, if the target
            quantizes them. The two share one threshold if their widths are equal.
        first_and_last_weights: bits of the first and the last kernels. No kernel comes before a
            first one, and none after a last one. A model with several branches can have several.
        target: name of the engine rules in `keras_alt.targets.TARGETS`.
        batch_norm: `"fold"` folds batch norms into the kernels once. `"train"` folds them at each
            training step, with batch statistics.
        weight_scales: `"tensor"` gives each kernel one threshold, as in the paper. `"channel"`
            gives one to each output channel of a kernel. They train in the same way, and their
            scales are powers of two.
        overrides: `{glob of layer names: {width: bits}}` with the widths `weights`,
            `activations`, `biases`, `accumulators`. Later entries override earlier ones. The
            activation of a layer is a layer `<layer>_<function>`: it has the settings of the layer
            unless a glob matches its own name only. The same holds for `skip` and `share`.
        skip: globs of the names of layers that stay float.
        share: groups of layers, each a sequence of globs. The outputs of a group share one scale.

    Raises:
        ValueError: a width, the target, `batch_norm` or `weight_scales` is not one of those above.
        TypeError: `skip` or `share` is a string, not a sequence, or `overrides` no dictionary.

    Example:

    ```python
    config = keras_alt.QuantizeConfig(
        weights=4,
        target="litert",
        overrides={"block1_*": {"weights": 8}},
        skip=["head"],
    )
    ```
    """

    weights: int | None = 8
    activations: int | None = 8
    inputs: int | str | None = 8
    biases: int | None = 16
    accumulators: int | None = 16
    first_and_last_weights: int | None = 8
    target: str = "paper"
    batch_norm: str = "fold"
    overrides: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    skip: Sequence[str] = ()
    share: Sequence[Sequence[str]] = ()
    weight_scales: str = "tensor"

    def __post_init__(self):
        get_target(self.target)
        for name in WIDTHS:
            if name != "inputs":
                _check_width(name, getattr(self, name))
        _check_inputs(self.inputs)
        if not is_choice(self.batch_norm, ("fold", "train")):
            raise ValueError(
                f"`batch_norm` must be 'fold' or 'train'. Received: batch_norm={self.batch_norm!r}"
            )
        check_weight_scales("weight_scales", self.weight_scales)
        for pattern, widths in _checked_mapping("overrides", self.overrides).items():
            for name, bits in _checked_mapping(f"overrides[{pattern!r}]", widths).items():
                if not is_choice(name, LAYER_WIDTHS):
                    raise ValueError(
                        f"`overrides` may set {', '.join(LAYER_WIDTHS)}. "
                        f"Received: overrides={{{pattern!r}: {{{name!r}: {bits!r}}}}}"
                    )
                _check_width(f"overrides[{pattern!r}][{name!r}]", bits)
        # As tuples and dictionaries, so that a model's file can hold them.
        object.__setattr__(self, "skip", checked_globs("skip", self.skip))
        object.__setattr__(self, "share", _checked_groups(self.share))
        overrides = {str(glob): dict(widths) for glob, widths in self.overrides.items()}
        object.__setattr__(self, "overrides", overrides)

    @property
    def input_format(self) -> FixedPoint | None:
        """Format of the inputs, None if they stay float."""
        return None if self.inputs is None else FixedPoint.of(self.inputs)

    @property
    def takes_unsigned(self) -> bool:
        """Whether the inputs are never negative and have unsigned codes."""
        return self.input_format is not None and not self.input_format.signed

    def for_layer(self, name: str, first_or_last: bool = False) -> "QuantizeConfig":
        """Return a configuration with the widths of the layer called `name`."""
        widths: dict[str, Any] = {}
        if first_or_last:
            widths["weights"] = self.first_and_last_weights
        for pattern, override in self.overrides.items():
            if _matches(name, pattern):
                widths.update(override)
        return replace(self, **widths)

    def overridden(self, overrides: Mapping[str, Mapping[str, int | None]]) -> "QuantizeConfig":
        """Return a configuration with more `overrides`, which override those that it has."""
        merged = dict(self.overrides)
        for pattern, widths in overrides.items():
            merged[pattern] = {**merged.pop(pattern, {}), **widths}
        return replace(self, overrides=merged)

    def skips(self, name: str) -> bool:
        """Return whether the layer called `name` stays float."""
        return matches(name, self.skip)

    def inherited(
        self, origins: Mapping[str, str], outputs: Collection[str] = ()
    ) -> "QuantizeConfig":
        """Return a configuration that gives layers the settings of those that they were made from.

        The activation of a layer, or the halves of a separable convolution, are layers of their own
        when the model is quantized. What matches the name of the new layer alone comes last, so it
        overrides what the layer inherits.

        Args:
            origins: `{name of a new layer: name of the layer that it was made from}`.
            outputs: those new layers that compute the output of their origin. `share` is about
                outputs, so the others do not inherit it.
        """
        overrides, skip = dict(self.overrides), list(self.skip)
        share = [list(globs) for globs in self.share]
        for name, origin in origins.items():
            matching = [p for p in self.overrides if _matches(origin, p)]
            own = [p for p in self.overrides if _matches(name, p) and p not in matching]
            if matching:
                widths: dict[str, int | None] = {}
                for pattern in [*matching, *own]:
                    widths.update(self.overrides[pattern])
                overrides.pop(glob.escape(name), None)
                overrides[glob.escape(name)] = widths
            for globs in (skip, *(share if name in outputs else ())):
                if any(_matches(origin, p) for p in globs):
                    globs.append(glob.escape(name))
        return replace(self, overrides=overrides, skip=skip, share=share)

    def check_target(self):
        """Check that the format of the target stores codes as wide as those of this configuration.

        Raises:
            ValueError: some are wider.
        """
        target = get_target(self.target)
        stored = {
            **dict.fromkeys(("weights", "first_and_last_weights"), target.weight_bits),
            **dict.fromkeys(("activations", "inputs"), target.activation_bits),
        }
        given = {name: getattr(self, name) for name in stored}
        given["inputs"] = self.input_format and self.input_format.bits
        for pattern, widths in self.overrides.items():
            given.update({f"overrides[{pattern!r}][{k!r}]": bits for k, bits in widths.items()})
            stored.update({f"overrides[{pattern!r}][{k!r}]": stored.get(k, ()) for k in widths})
        for name, bits in given.items():
            if bits is not None and bits > max(stored[name], default=bits):
                raise ValueError(
                    f"Target '{self.target}' stores at most {max(stored[name])} bits there: give "
                    f"fewer bits, or quantize for another target. Received: {name}={bits}"
                )

    def check_names(self, names: Sequence[str]):
        """Check that each glob of this configuration matches one of `names`.

        Raises:
            ValueError: a glob matches none.
        """
        patterns = [*self.overrides, *self.skip, *(glob for group in self.share for glob in group)]
        for pattern in unmatched(patterns, names):
            raise ValueError(
                "Every glob in `overrides`, `skip` and `share` must match a layer of the model "
                "after nested models are inlined. "
                f"Received: {pattern!r}, layers={listed(names, pattern)}"
            )


def _matches(name, pattern):
    return matches(name, [pattern])


def _checked_mapping(name, value) -> Mapping:
    if not isinstance(value, Mapping):
        raise TypeError(
            f"`{name}` must be a dictionary; `overrides` is as {{'block1_*': {{'weights': 4}}}}. "
            f"Received: {name}={value!r}"
        )
    return value


def _checked_groups(share) -> tuple[tuple[str, ...], ...]:
    if isinstance(share, str) or not is_iterable(share):
        raise TypeError(
            "`share` must be a sequence of groups, each a sequence of globs, such as "
            f"[('left', 'right')]. Received: share={share!r}"
        )
    return tuple(checked_globs(f"share[{i}]", globs) for i, globs in enumerate(share))


def check_weight_scales(name: str, value: str):
    """Check that `value`, of the argument called `name`, says what has a scale of its own.

    Raises:
        ValueError: it is neither "tensor" nor "channel".
    """
    if not is_choice(value, ("tensor", "channel")):
        raise ValueError(f"`{name}` must be 'tensor' or 'channel'. Received: {name}={value!r}")


def _check_width(name, bits):
    if bits is not None:
        try:
            FixedPoint(bits)
        except ValueError as error:
            raise ValueError(
                f"`{name}` must be an integer from 2 to 32, or None for float. "
                f"Received: {name}={bits!r}"
            ) from error


def _check_inputs(inputs):
    if inputs is None or (isinstance(inputs, str) and inputs == "auto"):
        return
    try:
        FixedPoint.of(inputs)
    except ValueError as error:
        raise ValueError(
            "`inputs` must be an integer from 2 to 32, a format such as 'uint8', 'auto', or None "
            f"for float. Received: inputs={inputs!r}"
        ) from error
