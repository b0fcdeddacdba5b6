"""The contract of a numerics backend."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from keras_alt.formats import FixedPoint

Rules = tuple[FixedPoint, str, float | None]  # format, rounding, relu_max

SoftmaxRules = tuple[int, int, int, float]  # axis, bits, guard bits, scale


class Backend(Protocol):
    """What `tensorflow.py`, `jax.py` and `torch.py` each define: how the closed form is computed.

    Values and gradients are those of `closed_form` on every backend. A backend decides only how
    few passes over memory they take. Tensors are float32 tensors of the backend.
    """

    def fake_quant(
        self,
        x,
        log2_threshold,
        rules: Rules,
        training: bool,
        exponent,
    ):
        """Return `closed_form.forward`, differentiable as `closed_form.backward` says.

        Args:
            log2_threshold: a scalar, or of the rank of `x`, of size 1 along the axes that share it.
            exponent: log2 of the step of the grid of `x`, a scalar without gradient; None unless
                the rounding is in `STEPPED`.
            training: whether the result is trained through. Otherwise the graph may be exported,
                so it must consist of plain operations.
        """

    def lookup(self, x, exponent, values, slopes, first: int, training: bool):
        """Return `closed_form.lookup` of `values`, differentiable: that of `slopes`.

        Only `x` has a gradient. `training` is that of `fake_quant`.
        """

    def softmax(self, x, exponent, tables, unit, rules: SoftmaxRules, training: bool):
        """Return `closed_form.softmax`, differentiable as `closed_form.softmax_gradient` says.

        Only `x` has a gradient. `training` is that of `fake_quant`.
        """

    def exponent_of(self, log2_threshold, format: FixedPoint):
        """Return `closed_form.exponent_of` without a gradient."""

    def averages_exactly(self, x, pads: Sequence[tuple[int, int]] = ()) -> bool:
        """Return whether Keras' averages of `x` are correctly rounded here.

        Args:
            x: tensor.
            pads: cells that pad windows before and after, along each axis.
        """

    def held(self, value, frozen):
        """Return `closed_form.held`."""

    def fuses_sum(self, total) -> bool:
        """Return whether `fake_quant_sum` is faster than single steps for the tensor `total`."""

    def update_replicas(self, update, gradients) -> None:
        """Call `update(gradients)` once, with gradients summed over all replicas of a strategy."""

    def require_trainer(self) -> None:
        """Raise an error if Keras' `fit` would not train on all processes that are connected."""

    def all_gather(self, array):
        """Return a sequence of the int32 NumPy arrays of all processes, in order of their rank."""

    def outside_graph(self) -> AbstractContextManager:
        """Return a context in which variables can be created, also while a graph is traced."""

    def concrete_value(self, variable):
        """Return the value of a Keras variable as an array, also while a graph is traced.

        Returns None if the backend does not know the value while it traces.
        """


class SumFusingBackend(Backend, Protocol):
    """A backend whose `fuses_sum` is true for some tensors."""

    def fake_quant_sum(self, x, bias, log2_thresholds: tuple, rules: tuple[Rules, ...], exponent):
        """Return `closed_form.sum_forward`, differentiable, in one pass over memory each way.

        Args:
            x: of shape `(..., channels)`.
            bias: of shape `(channels,)`.
            log2_thresholds: of the quantizer of the sum and, if there is one, of the accumulator.
            rules: of each.
            exponent: of the grid of the sum, as in `fake_quant`.
        """
