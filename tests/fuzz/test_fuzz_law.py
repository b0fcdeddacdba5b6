"""What counts as an error in our words."""

import json
import pathlib

import numpy as np
import pytest
from attempts import UsersError, attempt, counts, is_told
from hypothesis import strategies as st

import keras_alt
from keras_alt.integer.arithmetic import requantize

pytestmark = pytest.mark.check


def raised(function):
    with pytest.raises(BaseException) as error:  # noqa: PT011 - any
        function()
    return error.value


def test_what_we_raise_is_told():
    assert is_told(raised(lambda: keras_alt.FixedPoint(99)))
    assert is_told(raised(lambda: pathlib.Path("/nowhere/file").read_text()))


def test_what_others_raise_is_not():
    # NumPy raises this one, in a frame of ours.
    assert not is_told(raised(lambda: requantize(np.array([1]), "x", "floor", 0, 1)))
    assert not is_told(raised(lambda: json.loads("[")))
    assert not is_told(AssertionError().with_traceback(raised(lambda: [][1]).__traceback__))


def test_inputs_are_counted_and_other_errors_come_through():
    def body(number):
        if number > 3:
            raise UsersError
        assert number >= 0

    try:
        attempt("law", 1, st.integers(0, 9))(body)
        assert set(counts["law"]) == {"accepted", "UsersError"}
        with pytest.raises(AssertionError):
            attempt("law", 1, st.integers(-9, 9))(body)
    finally:
        del counts["law"]
