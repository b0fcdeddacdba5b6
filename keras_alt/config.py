"""What to quantize, and to how many bits."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keras_alt.formats import FixedPoint
from keras_alt.targets import get_target

LAYER_WIDTHS = ("weights", "activations", "biases", "accumulators")
WIDTHS = (*LAYER_WIDTHS, "inputs", "first_and_last_weights")


@dataclass(frozen=True)
class QuantizeConfig:
    """Widths and rules of `keras_alt.quantize_model`. A width of None leaves the tensor float.

    Args:
        weights: bits of kernels.
        activations: bits of layer outputs; unsigned after ReLU and ReLU6, else signed.
        inputs: bits of the model inputs (signed).
        biases, accumulators: bits of biases and of kernel layers' sums, where the target quantizes
            them; they share one threshold while their widths agree.
        first_and_last_weights: bits of the kernels reached from an input, or reaching an output,
            through no other kernel.
        target: name of the engine rules in `keras_alt.targets.TARGETS`.
        batch_norm: `"fold"` into the kernels once, or `"train"` with batch statistics.
        overrides: `{glob of layer names: {width: bits}}` with the widths `weights`,
            `activations`, `biases`, `accumulators`; later entries win.
        skip: globs of layers that stay float.
        share: groups (sequences of globs) of layers whose outputs share one scale.
    """

    weights: int | None = 8
    activations: int | None = 8
    inputs: int | None = 8
    biases: int | None = 16
    accumulators: int | None = 16
    first_and_last_weights: int | None = 8
    target: str = "paper"
    batch_norm: str = "fold"
    overrides: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    skip: Sequence[str] = ()
    share: Sequence[Sequence[str]] = ()

    def __post_init__(self):
        get_target(self.target)
        for name in WIDTHS:
            _check_width(name, getattr(self, name))
        if self.batch_norm not in ("fold", "train"):
            raise ValueError(
                f"`batch_norm` must be 'fold' or 'train'. Received: batch_norm={self.batch_norm!r}"
            )
        for pattern, widths in self.overrides.items():
            for name, bits in widths.items():
                if name not in LAYER_WIDTHS:
                    raise ValueError(
                        f"`overrides` may set {', '.join(LAYER_WIDTHS)}. "
                        f"Received: overrides={{{pattern!r}: {{{name!r}: {bits!r}}}}}"
                    )
                _check_width(f"overrides[{pattern!r}][{name!r}]", bits)
        for name in ("skip", "share"):
            if isinstance(getattr(self, name), str):
                raise TypeError(
                    f"`{name}` must be a sequence, so write ({getattr(self, name)!r},). "
                    f"Received: {name}={getattr(self, name)!r}"
                )

    def for_layer(self, name: str, first_or_last: bool = False) -> "QuantizeConfig":
        """Return the widths that hold for the layer called `name`."""
        widths: dict[str, Any] = {}
        if first_or_last:
            widths["weights"] = self.first_and_last_weights
        for pattern, override in self.overrides.items():
            if fnmatch.fnmatchcase(name, pattern):
                widths.update(override)
        return replace(self, **widths)

    def skips(self, name: str) -> bool:
        """Return whether the layer called `name` stays float."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.skip)

    def check_names(self, names: Sequence[str]):
        """Raise if a glob of this configuration matches none of `names`."""
        patterns = [*self.overrides, *self.skip, *(glob for group in self.share for glob in group)]
        for pattern in patterns:
            if not fnmatch.filter(names, pattern):
                raise ValueError(
                    "Every glob in `overrides`, `skip` and `share` must match a layer of the model "
                    "after nested models are inlined. "
                    f"Received: {pattern!r}, layers={', '.join(names)}"
                )


def _check_width(name, bits):
    if bits is not None:
        try:
            FixedPoint(bits)
        except ValueError as error:
            raise ValueError(
                f"`{name}` must be an integer from 2 to 32, or None for float. "
                f"Received: {name}={bits!r}"
            ) from error
