"""A wrong argument is told by its name, with what was received."""

import numpy as np
import pytest

from keras_route.argument_checks import check_flag, check_integer, check_length

pytestmark = pytest.mark.check


def test_right_arguments_pass():
    check_integer("count", np.int64(3), 1, 3)
    check_flag("verbose", np.True_)
    check_length("window_um", np.float32(0.5), "a side")


@pytest.mark.parametrize(
    ("check", "error"),
    [
        (lambda: check_integer("n", True, 1), TypeError),
        (lambda: check_integer("n", 1.0, 1), TypeError),
        (lambda: check_integer("n", 0, 1), ValueError),
        (lambda: check_integer("n", 4, 1, 3), ValueError),
        (lambda: check_flag("n", 1), TypeError),
        (lambda: check_flag("n", "no"), TypeError),
        (lambda: check_length("n", float("nan"), "a side"), ValueError),
        (lambda: check_length("n", "1", "a side"), ValueError),
        (lambda: check_length("n", True, "a side"), ValueError),
    ],
)
def test_wrong_arguments_are_named(check, error):
    with pytest.raises(error, match="^`n` must be .*Received: n="):
        check()
