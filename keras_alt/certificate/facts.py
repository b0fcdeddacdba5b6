"""The facts on which the exactness of each layer rests."""

from dataclasses import dataclass

import numpy as np

from keras_alt.certificate.sums import Limit, Sum
from keras_alt.integer import Interval, Program, Step, arithmetic
from keras_alt.integer.interval_arithmetic import is_own
from keras_alt.integer.sum_widths import CHANNELS, INT32
from keras_alt.integer.variables import FLOAT32

UNBOUNDED = {"low": -(2**62), "high": 2**62}
SUM_FACTS = {
    "float32": (
        "partial sums reach {reach:,} of 2^24: float32 adds them exactly, in any order",
        "partial sums may reach {reach:,}, beyond 2^24: float32 may round them",
    ),
    "float32 halves": (
        "the product of a slope is computed in two halves, which reach {reach:,} of 2^24: float32 "
        "holds what its rounding needs",
        "the two halves of the product of a slope may reach {reach:,}, beyond 2^24: float32 may "
        "round them",
    ),
    "int32": (
        "partial sums reach {reach:,}: 32 bits hold them",
        "partial sums may reach {reach:,}: 32 bits may overflow",
    ),
    "int64": (
        "partial sums reach {reach:,}: 64 bits hold them",
        "partial sums may reach {reach:,}: 64 bits may overflow",
    ),
    "ap_fixed": (
        "sums reach {reach:,}: their types hold them",
        "sums may reach {reach:,}: their types may overflow",
    ),
}
MOVES = ("pad", "crop", "reshape", "transpose", "repeat", "take", "concatenate", "clip") + (
    ("maximum", "minimum", "window_maximum", "reduce_maximum", "reduce_minimum", "constant_tensor")
)


@dataclass(frozen=True)
class Fact:
    """One fact about a layer.

    Attributes:
        about: "sum", "bias", "rounding", "mean", "table", "move" or "outside".
        holds: whether it is proven for all inputs.
        text: the fact in words.
    """

    about: str
    holds: bool
    text: str


def facts_of_sums(rows: list[Sum]) -> list[Fact]:
    """Return what the limits of a layer's sums say: a fact for each kind of number."""
    limits: dict[str, list[Limit]] = {}
    for row in rows:
        for limit in row.limits:
            limits.setdefault(limit.number, []).append(limit)
    return [_worst(number, group) for number, group in limits.items()]


def _worst(number, limits):
    limit = max(limits, key=lambda limit: (not limit.holds, _reach(limit)))
    text = SUM_FACTS[number][not limit.holds].format(reach=_reach(limit))
    return Fact("sum", limit.holds, f"{text} ({', '.join(limit.engines)})")


def _reach(limit):
    return max(-limit.reached[0], limit.reached[1])


def facts_of_step(program: Program, step: Step, bounds: dict[int, Interval]) -> list[Fact]:
    """Return what a step rests on, the bounds of its sums aside."""
    if not is_own(step):
        return [Fact("outside", False, f"'{step.operation}' comes from another package")]
    if step.operation == "requantize":
        return _of_requantize(program, step, bounds[step.inputs[0]])
    if step.operation == "add_constant":
        return [_of_bias(program, step)]
    if step.operation == "lookup":
        entries = step.attributes["table"].codes.size
        return [Fact("table", True, f"a table of {entries} entries, the same for all engines")]
    if step.operation == "softmax":
        return [Fact("table", True, "tables of exponentials, sums and quotients of integers")]
    if step.operation in MOVES:
        return [Fact("move", True, "codes are moved or compared, not computed")]
    return []


def _of_bias(program, step):
    shifts, behind = step.attributes["shifts"], program.tensors[step.inputs[0]].format
    producer = next((s for s in program.steps if s.output == step.inputs[0]), None)
    if producer is not None and producer.operation in CHANNELS and tuple(shifts) == (0, 0):
        return Fact("bias", True, "the bias lies on the grid of the products")
    bits = step.attributes["constant"].format.bits
    beside = "" if behind is None else f" beside sums of {behind.bits} bits"
    return Fact("bias", True, f"the bias has {bits} bits{beside}; both are shifted by {shifts}")


def _of_requantize(program, step, x):
    rules, tensor = step.attributes, program.tensors[step.output]
    shift, divisor = rules["shift"], rules["divisor"]
    clips = _may_clip(rules, x)
    text = f"the scale is a shift by {shift}" if shift else "the scale stays"
    if shift > 0 or np.any(divisor != 1):
        text += f", rounded {rules['rounding'].replace('_', ' ')}"
    text += f"; {tensor.low} .. {tensor.high} "
    text += "may clip, in training as on engines" if clips else "clip no input"
    facts = [Fact("rounding", True, text)]
    left = max(2 - int(np.max(divisor)).bit_length() - shift, 0)
    if rules["rounding"] == "double" and left:
        reach = max(-x.ends()[0], x.ends()[1]) << left
        words = "hold" if reach <= INT32 else "may not hold"
        text = f"32 bits {words} the sum shifted left by {left}, {reach:,}"
        facts.append(Fact("rounding", reach <= INT32, text))
    if np.any(divisor != 1):
        facts.append(_of_mean(rules, x))
    return facts


def _may_clip(rules, x):
    free = {**rules, **UNBOUNDED}
    low, high = (arithmetic.requantize(end[None], **free) for end in (x.low, x.high))
    return bool(low.min() < rules["low"] or high.max() > rules["high"])


def _of_mean(rules, x):
    """Return whether one division in float32 decides every rounding as the quotient does.

    The quotient `z` of a sum by `n * 2**shift` lies on a tie exactly or `1 / (2 * n * 2**shift)`
    away at least, and the division errs by `z * 2**-24`. What is clipped may be anything.
    """
    cells = int(np.max(rules["divisor"]))
    if rules["rounding"] == "double":
        text = f"a mean of {cells} cells, of those whose double rounding float32 tells"
        return Fact("mean", True, text)
    shift = rules["shift"]
    most = max(-rules["low"], rules["high"]) + 1
    reached = int(np.abs([x.low, x.high]).max())
    room = most * cells << (max(shift, 0) + 1)
    if cells & (cells - 1) == 0 and np.ndim(rules["divisor"]) == 0:
        return Fact("mean", True, f"a mean of {cells} cells is a shift")
    holds = min(room, 2 * (reached << max(-shift, 0))) < FLOAT32
    words = "decides" if holds else "may not decide"
    return Fact("mean", holds, f"a mean of {cells} cells: one division in float32 {words} all ties")
