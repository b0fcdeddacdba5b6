"""C computes every operation of integer programs as the integer engine does."""

from dataclasses import replace

import numpy as np
import pytest
from c_programs import STRICT, assert_computes, strict_compiler  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st
from operation_cases import CASES, codes_of

from keras_alt import FixedPoint
from keras_alt.engines.c import roundings
from keras_alt.engines.c.calls import calls
from keras_alt.engines.c.elements import ELEMENTS, handles
from keras_alt.engines.c.export import refusals
from keras_alt.engines.c.memory import ALIGNMENT, Block, planned
from keras_alt.engines.c.moves import MOVES
from keras_alt.engines.c.places import Rows
from keras_alt.engines.c.rows import ROWS
from keras_alt.engines.c.source import Source
from keras_alt.engines.c.texts import source_text
from keras_alt.integer import OPERATIONS, Constant, Program, Tensor, operation
from keras_alt.integer.arithmetic import ROUNDINGS
from keras_alt.integer.variables import Variable

pytestmark = pytest.mark.usefixtures("strict_compiler")


def test_every_rounding_and_operation_has_a_form():
    assert set(roundings.ROUNDINGS) == set(ROUNDINGS)
    written = {*ELEMENTS, *ROWS, *MOVES, "reshape", "constant_tensor"}
    assert written == {
        n for n, o in OPERATIONS.items() if o.compute.__module__.startswith("keras_alt")
    }


def program_of(drawn, rng):
    """Return a program with an output for each drawn case, and codes for its inputs."""
    program, codes = Program("cases"), []
    for name, (operands, attributes) in drawn.items():
        positions = [program.add_tensor(tensor) for tensor in operands]
        program.inputs += positions
        codes += [codes_of(tensor, rng) for tensor in operands]
        first, *others = (Variable(program, position, name) for position in positions)
        program.outputs.append(first.apply(name, *others, **attributes).position)
    return program, codes


def cases(names):
    return st.fixed_dictionaries({name: CASES[name] for name in names})


HALVES = [sorted(CASES)[::2], sorted(CASES)[1::2]]


@pytest.mark.parametrize("names", HALVES, ids=["some", "others"])
@settings(max_examples=settings().max_examples // 8)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_a_step_gives_the_codes_of_the_integer_engine(names, data, seed):
    assert_computes(*program_of(data.draw(cases(names)), np.random.default_rng(seed)))


@pytest.mark.parametrize("rounding", sorted([*ROUNDINGS, "double"]))
def test_roundings_hold_for_every_shift_divisor_and_width(rounding, rng):
    """Half of the codes lie at ties, and at the ends of their bounds."""
    program, codes = Program("roundings"), []
    widest = 48 if rounding == "double" else 62  # its first step doubles the numbers
    for bits in (5, 8, 16, 31, 33, 48, widest):
        x = Tensor("x", (64,), 0, -(2**bits), 2**bits - 1)
        position = program.add_tensor(x)
        program.inputs.append(position)
        denominators = [d << s for d in (1, 3, 12) for s in (0, 1, 2, 7) if d << s < 2**bits]
        ties = rng.integers(-3, 4, 16) * rng.choice(denominators, 16)
        ties += rng.choice(denominators, 16) // 2
        ends = rng.choice([x.low, x.high], 16)
        drawn = np.concatenate([ties, ends, rng.integers(x.low, x.high + 1, 32)])
        codes.append(np.clip(drawn, x.low, x.high)[None])
        for shift in (-2, -1, 0, 1, 2, 7, bits - 2, bits):
            for divisor in (1, 3, 4, 12):
                if shift + divisor.bit_length() < 61 and bits - shift < 63:
                    for low, high in ((-128, 127), (0, 200)):
                        y = Variable(program, position, "layer").apply(
                            "requantize",
                            shift=shift,
                            rounding=rounding,
                            low=low,
                            high=high,
                            offset=-128,
                            divisor=divisor,
                        )
                        program.outputs.append(y.position)
    assert_computes(program, codes)


@pytest.mark.parametrize("signed", [True, False])
def test_kernels_of_every_width_are_packed(signed, rng):
    program = Program("widths")
    x = Variable(program, program.add_tensor(Tensor("x", (5, 5, 6), 0, -128, 255)), "layer")
    program.inputs = [x.position]
    for bits in (2, 3, 4, 5, 8, 12):
        format = FixedPoint(bits, signed)

        def kernel(*shape, format=format):
            codes = rng.integers(format.qmin, format.qmax, shape, endpoint=True)
            shifts = rng.integers(0, 4, (1,) * (len(shape) - 1) + shape[-1:])
            return Constant(codes, -5, format, shifts if rng.random() < 0.5 else None)

        ones, around = (1, 1), ((1, 1), (1, 0))
        results = [
            x.convolve(kernel(3, 2, 6, 5), ones, around, ones),
            x.convolve(kernel(3, 3, 3, 4), (2, 1), around, ones, 2),
            x.convolve(kernel(2, 2, 6, 3), ones, around, (2, 2)),
            x.convolve(kernel(3, 3, 1, 6), ones, around, ones, 6),
            x.convolve(kernel(2, 2, 1, 12), ones, around, (1, 2), 6),
            x @ kernel(6, 7),
        ]
        program.outputs += [y.position for y in results]
    assert_computes(program, [rng.integers(-128, 256, (3, 5, 5, 6))])


def test_chains_join_and_memory_is_shared(rng):
    """Residual sums, a tensor that is read twice and an output that is read on."""
    program = Program("chains")
    x = y = Variable(program, program.add_tensor(Tensor("x", (9, 4), 0, -128, 127)), "layer")
    program.inputs = [x.position]
    for _ in range(4):
        kernel = Constant(rng.integers(-8, 8, (3, 4, 4)), -4, FixedPoint(4))
        bias = Constant(rng.integers(-99, 99, 4), -6, FixedPoint(8))
        z = y.convolve(kernel, (1,), ((1, 1),), (1,)) + bias
        z = z.apply("requantize", shift=6, rounding="half_up", low=0, high=255, offset=0, divisor=1)
        y = (z + y).apply(
            "requantize", shift=1, rounding="half_even", low=-128, high=127, offset=0, divisor=1
        )
        program.outputs.append(z.position)
    program.outputs += [y.position, y.reshape((36,)).position, x.position, y.position]
    assert_computes(program, [rng.integers(-128, 128, (5, 9, 4))])


def test_a_step_that_changes_no_code_writes_no_statement(rng):
    """Clang refuses `c = c`."""
    program = Program("same")
    x = Variable(program, program.add_tensor(Tensor("x", (5,), 0, -9, 9)), "layer")
    program.inputs = [x.position]
    rules = {"shift": 0, "rounding": "half_even", "low": -9, "high": 9, "offset": 0, "divisor": 1}
    program.outputs = [x.apply("requantize", **rules).position]
    source = Source(program, "net")
    assert "c = c;" not in source_text(source, calls(source))
    assert_computes(program, [rng.integers(-9, 10, (3, 5))])


@pytest.mark.parametrize("sanitizer", ["address,undefined"])
def test_sanitizers_find_nothing(sanitizer, rng, monkeypatch):
    monkeypatch.setenv("CFLAGS", f"{STRICT} -g -fsanitize={sanitizer} -fno-sanitize-recover=all")
    test_chains_join_and_memory_is_shared(rng)
    test_kernels_of_every_width_are_packed(True, rng)
    test_roundings_hold_for_every_shift_divisor_and_width("half_even", rng)


blocks = st.builds(
    lambda bytes, first, more: (bytes, first, first + more),
    st.integers(1, 99),
    st.integers(0, 9),
    st.integers(0, 4),
)


@given(st.lists(blocks, max_size=12))
def test_what_lives_together_does_not_overlap(drawn):
    made = [Block(i, *block) for i, block in enumerate(drawn)]
    offsets, total = planned(made)
    assert set(offsets) == set(range(len(made)))
    for a in made:
        assert offsets[a.key] % ALIGNMENT == 0
        assert offsets[a.key] + a.bytes <= total
        for b in made[a.key + 1 :]:
            if a.first <= b.last and b.first <= a.last:
                ends = [offsets[block.key] + block.bytes for block in (a, b)]
                assert ends[0] <= offsets[b.key] or ends[1] <= offsets[a.key]


@given(st.data())
def test_places_broadcast_as_numpy_does(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    axis = data.draw(st.integers(-1, len(shape) - 1))
    own = tuple(data.draw(st.sampled_from([1, n])) for n in shape[data.draw(st.integers(0, 1)) :])
    rows = Rows(shape, axis)
    whole = np.broadcast_to(np.arange(np.prod(own, dtype=int)).reshape(own), shape)
    expected = np.moveaxis(whole, axis, -1).reshape(rows.count, rows.length)
    place = rows.place(own).replace("/", "//")
    found = [
        [eval(place, {"at": a, "i": i}) for i in range(rows.length)] for a in range(rows.count)
    ]
    np.testing.assert_array_equal(found, expected)


def test_an_operation_from_outside_is_refused_by_name_until_it_has_a_form(rng):
    def negated_outside(codes):
        return -codes

    @operation(negated_outside)
    def result(x):
        return Tensor("x", x.shape, x.exponent, -x.high, -x.low)

    try:
        program = Program("outside")
        x = Variable(program, program.add_tensor(Tensor("x", (3, 2), 0, -9, 4)), "turned")
        program.inputs = [x.position]
        program.outputs = [x.apply("negated_outside").position]
        (reason,) = refusals(program)
        assert "layer 'turned'" in reason
        assert "no form of operation 'negated_outside'" in reason

        @handles("negated_outside")
        def negated_in_c(layer, step):
            layer.let(step, f"-{layer.code(step.inputs[0])}")

        assert refusals(program) == []
        assert_computes(program, [rng.integers(-9, 5, (4, 3, 2))])
    finally:
        OPERATIONS.pop("negated_outside")
        ELEMENTS.pop("negated_outside", None)


def test_open_sizes_and_unknown_roundings_are_refused_by_layer():
    program = Program("refused")
    x = Variable(program, program.add_tensor(Tensor("x", (None, 2), 0, -9, 4)), "wide")
    y = replace(x, position=program.add_tensor(Tensor("y", (2,), 0, -9, 4)), layer="odd")
    x.apply("clip", low=0, high=3)
    rules = {"shift": 1, "low": 0, "high": 3, "offset": 0, "divisor": 1}
    y.apply("requantize", rounding="half_odd", **rules)
    first, second = refusals(program)
    assert first.startswith("layer 'wide': C needs tensors of known size")
    assert second.startswith("layer 'odd': C has the roundings half_even, ")
