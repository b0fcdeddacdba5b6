"""How the engines of LiteRT files round, and which operators a file for them has."""

from dataclasses import dataclass

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
KERNELS = (*CONVOLUTIONS, "FULLY_CONNECTED")
# Operators that map each byte by a function; far faster or better supported than a table.
FUNCTIONS = ("LOGISTIC", "TANH", "GELU", "HARD_SWISH", "ELU", "EXP", "ABS")


@dataclass(frozen=True)
class Rules:
    """What the engines that run a file have in common.

    Attributes:
        roundings: the measured rounding of each operator that rounds. An operator without an entry
            is not written.
        functions: operators that may take the place of a table, if they give each of its entries.
    """

    roundings: dict[str, str]
    functions: tuple[str, ...] = ()


# By the engine that a target lists, see `keras_alt.targets.Target.engines`.
RULES = {
    # LiteRT 2.3 with its XNNPACK delegate.
    "litert": Rules(
        {
            **dict.fromkeys(KERNELS, "half_even"),
            "ADD": "half_up",
            "AVERAGE_POOL_2D": "half_away_stored",
            "BATCH_MATMUL": "half_even",
            "DIV": "half_up",  # of the operators that `softmax.rounded` appends
            "MEAN": "half_even",  # of as many copies as `reductions.copies` says
            "MUL": "half_even",
            "QUANTIZE": "half_up",
            "SUB": "half_up",
            "SUM": "half_even",
        },
        FUNCTIONS,
    ),
    # TFLM and the reference kernels of LiteRT 2.3. They agree, except in FULLY_CONNECTED, which the
    # reference kernel rounds once, half away, and in SUM. A dense layer is a CONV_2D of one cell.
    "tflm": Rules(
        {
            **dict.fromkeys(CONVOLUTIONS, "double"),
            "ADD": "half_away",
            "AVERAGE_POOL_2D": "half_away_stored",
            "BATCH_MATMUL": "double",
            "MEAN": "double",
            "MUL": "double",
            "QUANTIZE": "double",
            "SUB": "half_away",
        }
    ),
}
