"""The search for a rounding rule finds the one that was used, and counts ties."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import sample
from exported import quantized
from keras import layers as L

import keras_alt
from keras_alt import integer
from keras_alt.integer.arithmetic import ROUNDINGS
from keras_alt.ties import TieSearch, steps_between


def convolved(x):
    return L.Conv2D(4, 3, name="last")(x)


def added(x):
    return L.Add(name="last")([L.Conv2D(4, 3)(x), L.Conv2D(4, 3)(x)])


def averaged(x):
    return L.AveragePooling2D(2, name="last")(L.Conv2D(4, 3)(x))


def sloped(x):
    return L.LeakyReLU(name="last")(L.Conv2D(4, 3)(x))


def transposed(x):
    return L.Conv2D(4, 3, data_format="channels_first", name="last")(L.Permute((3, 1, 2))(x))


MAKERS = [convolved, added, averaged, sloped, transposed]


def searched(make, rng, target="litert", **choices):
    """Return the program of a network, its codes, and a search at its last quantizer."""
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, make(inputs))
    for variable in model.weights:
        if variable.name == "kernel":
            variable.assign(variable * 2.0 ** -np.arange(4.0))
    model, _ = quantized(model, rng, target, **choices)
    if make is added:  # a step twice that of the operands
        output = keras_alt.quantizers(model)["last/output"]
        output.set_threshold(2.0 * output.threshold)
    reading = integer.read(model)
    position = reading.program.outputs[0]
    known = {*reading.taps.values()} - {position}
    codes = integer.trace(reading.program, integer.quantize_inputs(reading, sample(model, rng, 24)))
    return reading.program, codes, TieSearch(reading.program, position, known)


def recomputed(program, codes, search, rule):
    """Return the codes of a search's quantizer when everything in front of it rounds by a rule."""
    values = dict(codes)
    for step in search.steps:
        if step.operation == "requantize":
            step = replace(step, attributes={**step.attributes, "rounding": rule})
        operands = [values[p] for p in step.inputs]
        values[step.output] = integer.OPERATIONS[step.operation].compute(
            *operands, **step.arguments
        )
    return values[search.position]


@pytest.mark.parametrize("rule", [*ROUNDINGS, "double"])
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_rule_that_was_used_explains_the_codes(make, rule, rng):
    program, codes, search = searched(make, rng)
    computed = recomputed(program, codes, search, rule)
    search.add(codes, codes[search.position], computed)
    found = search.explanation("mine")

    assert found.layers[-1] == "last"  # also where a pool keeps the quantizer in front of it
    same = "half_away" if rule == "half_away_stored" else rule  # of signed codes
    assert {rule, same}.intersection(found.explaining)
    for other in found.explaining:
        np.testing.assert_array_equal(recomputed(program, codes, search, other), computed)
    assert found.differing == np.count_nonzero(computed != codes[search.position])
    assert found.differing_ties <= min(found.ties, found.differing) <= found.total
    if rule.startswith("half"):  # rules that differ in ties only, but for what they hand on
        assert make is sloped or found.differing_ties == found.differing


def test_codes_of_no_rule_are_not_explained(rng):
    program, codes, search = searched(convolved, rng)
    computed = codes[search.position].copy()
    computed[0, 0, 0, 0] += 1
    search.add(codes, codes[search.position], computed)
    found = search.explanation("mine")
    assert (found.differing, found.explaining) == (1, [])
    assert "None of the known rules" in str(found)


def test_a_rule_must_hold_in_every_batch(rng):
    program, codes, search = searched(added, rng)
    right = codes[search.position]
    search.add(codes, right, recomputed(program, codes, search, "half_even"))
    search.add(codes, right, recomputed(program, codes, search, "floor"))
    assert search.explanation("mine").explaining == []


def test_ties_are_remainders_of_one_half(rng):
    program, codes, search = searched(added, rng)
    search.add(codes, codes[search.position], codes[search.position])
    (step,) = search.roundings
    rules, sums = step.attributes, codes[step.inputs[0]]
    shift = rules["shift"]
    assert shift > 0
    is_tie = sums % 2**shift == 2 ** (shift - 1)
    inside = (sums >> shift >= rules["low"]) & (sums >> shift < rules["high"])
    found = search.explanation("mine")
    assert found.ties == np.count_nonzero(is_tie & inside) > 0
    assert found.shifts == {shift: found.ties}


def test_channels_with_scales_of_their_own_have_shifts_of_their_own(rng):
    program, codes, search = searched(convolved, rng, weight_scales="channel")
    kernel = next(s.attributes["kernel"] for s in search.steps if "kernel" in s.attributes)
    assert kernel.shifts is not None and len(np.unique(kernel.shifts)) > 1
    search.add(codes, codes[search.position], codes[search.position])
    (step,) = search.roundings
    own = {step.attributes["shift"] - int(s) for s in np.unique(kernel.shifts)}
    found = search.explanation("mine")
    assert set(found.shifts) <= own
    assert sum(found.shifts.values()) == found.ties


def test_steps_end_at_what_is_known(rng):
    program, codes, search = searched(added, rng)
    assert [step.operation for step in search.steps] == ["add", "requantize"]
    every = steps_between(program, search.position, known=set(program.inputs))
    assert every == [s for s in program.steps if s in every] and len(every) > len(search.steps)
    assert search.operands == set(search.steps[0].inputs)


def test_an_explanation_reads_well(rng):
    program, codes, search = searched(added, rng)
    search.add(codes, codes[search.position], recomputed(program, codes, search, "half_even"))
    text = str(search.explanation("onnxruntime"))
    assert text.startswith("onnxruntime, first at last/output behind last: ")
    assert "ONNX Runtime rounds half to even in additions; the target rounds half up." in text
    assert "of shift" in text
