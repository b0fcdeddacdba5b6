"""Writes tables of elementwise functions as hls4ml's `UnaryLUT`."""

import numpy as np

from keras_alt.engines.hls4ml.nodes import handles
from keras_alt.engines.hls4ml.types import register


@handles("lookup")
def _lookup(writer, step):
    """Write a table that the bits of a register index, as an unsigned number."""
    table, (position,) = step.attributes["table"], step.inputs
    bits, signed = register(writer, position)
    codes = np.arange(2**bits)
    if signed:
        codes = np.where(codes < 2 ** (bits - 1), codes, codes - 2**bits)
    # A register may hold codes that the tensor does not have: any entry will do.
    entries = np.clip(codes - step.attributes["first"], 0, len(table.codes) - 1)
    writer.give_layer(
        step,
        "UnaryLUT",
        activation="unary_lut",
        table_data=np.ldexp(table.codes[entries].astype(np.float64), table.exponent),
    )
