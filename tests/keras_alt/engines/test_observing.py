"""Reading the inner tensors of an engine must change no code."""

import numpy as np
import pytest

from keras_alt.engines.observing import require_same


class Engine:
    def version(self):
        return "engine 1.0"


FLOATS = np.array([0.5, -100.0], "float32")
STEP = np.float32(2.0**-15 * 128)  # of codes of 16 bits up to 128


def test_equal_outputs_and_last_bits_of_floats_pass():
    require_same(Engine(), [FLOATS, np.arange(3)], [FLOATS, np.arange(3)])
    require_same(Engine(), [FLOATS], [np.nextafter(FLOATS, np.float32(1.0))])


@pytest.mark.parametrize(
    ("plain", "observed"),
    [
        (np.arange(3), np.array([0, 1, 3])),
        (np.array([1e6, 1.0], "int32"), np.array([1e6, 2.0], "int32")),
        (FLOATS, FLOATS + STEP),
        (FLOATS, np.array([0.5, np.nan], "float32")),
    ],
)
def test_other_codes_are_an_error(plain, observed):
    with pytest.raises(RuntimeError, match="prove nothing. Received: a difference of"):
        require_same(Engine(), [plain], [observed])
