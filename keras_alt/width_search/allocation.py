"""The widths of kernels that meet a budget with the least loss."""

from keras_alt.number_checks import real_number
from keras_alt.width_search.knapsack import Item, least_loss
from keras_alt.width_search.table import WEIGHTS, Sensitivity


def allocate(
    sensitivity: Sensitivity, *, size: int | None = None, bit_operations: int | None = None
) -> dict[str, dict[str, int]]:
    """Return the widths of kernels that meet a budget with the least loss.

    What the layers lose is added up: the increase of the loss, or of the noise power of the outputs
    if the loss was not measured. For this sum, the choice is the best of all. What layers lose when
    they are narrowed together is not measured, so check the model that comes out.

    Args:
        sensitivity: from `keras_alt.sensitivity`.
        size: bytes of kernels and biases, as `keras_alt.report` counts them.
        bit_operations: multiply-accumulates of one sample, times the bits of both factors.

    Returns:
        `{layer: {"weights": bits}}` for each kernel with rows: `overrides` of
        `keras_alt.retarget` and of `QuantizeConfig`.

    Raises:
        TypeError: `sensitivity` is something else, or not one budget is given.
        ValueError: the narrowest widths do not meet the budget, or bit-operations are not known.

    Example:

    ```python
    sensitivity = keras_alt.sensitivity(quantized, x_train, bits=(3, 4, 6, 8))
    uniform = sensitivity.totals(sensitivity.uniform(4))
    overrides = keras_alt.allocate(sensitivity, size=uniform.bytes)
    mixed = keras_alt.retarget(quantized, overrides=overrides)
    ```
    """
    if not isinstance(sensitivity, Sensitivity):
        raise TypeError(
            "`allocate` expects what `keras_alt.sensitivity(model, data)` returns. "
            f"Received: sensitivity of type {type(sensitivity).__name__}"
        )
    if (size is None) == (bit_operations is None):
        raise TypeError(
            "`allocate` meets one budget: give `size` or `bit_operations`. "
            f"Received: {size=}, {bit_operations=}"
        )
    for name, value in (("size", size), ("bit_operations", bit_operations)):
        if value is not None:
            real_number(name, value)
    kernels = sensitivity.kernels()
    if size is None:
        _require_known(kernels)
        name, budget = "bit_operations", bit_operations - sensitivity.other_bit_operations
    else:
        name, budget = "weight_bits", 8 * size - sensitivity.other_weight_bits
    items = [
        Item([getattr(row, name) for row in rows], [sensitivity.increase(row) for row in rows])
        for rows in kernels.values()
    ]
    chosen = least_loss(items, budget)
    if chosen is None:
        raise ValueError(_too_small(sensitivity, size, bit_operations))
    return {
        layer: {WEIGHTS: rows[option].bits}
        for (layer, rows), option in zip(kernels.items(), chosen, strict=True)
    }


def _require_known(kernels):
    unknown = [layer for layer, rows in kernels.items() if not rows[-1].bit_operations]
    if unknown:
        raise ValueError(
            "Bit-operations are known for a model whose sizes are fixed: give `size`, or build the "
            f"model with a fixed input. Received: open sizes at {', '.join(unknown)}"
        )


def _too_small(sensitivity, size, bit_operations):
    narrowest = {
        layer: {WEIGHTS: min(row.bits for row in rows)}
        for layer, rows in sensitivity.kernels().items()
    }
    least = sensitivity.totals(narrowest)
    name, received = ("bit_operations", bit_operations) if size is None else ("size", size)
    least = least.bit_operations if size is None else least.bytes
    return (
        f"`{name}` must be at least {least:,}, which the narrowest widths need: give more, or "
        f"measure narrower `bits`. Received: {name}={received:,}"
    )
