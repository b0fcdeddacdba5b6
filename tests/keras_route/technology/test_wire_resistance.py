import pytest

from keras_route.technology.wire_resistance import wire_resistance


@pytest.mark.parametrize(
    ("x_um", "y_um", "expected"),
    [
        (8.9375, 7.5625, {"m3": 311.072, "m4": 355.188, "m5": 302.908, "m6": 339.491}),
        (6.875, 6.875, {"m3": 290.066, "m4": 305.529, "m5": 290.280, "m6": 304.531}),
    ],
)
def test_resistance_is_that_of_the_wire_and_of_two_via_stacks(x_um, y_um, expected):
    for metal, ohm in expected.items():
        length = {"m3": y_um, "m4": x_um, "m5": y_um, "m6": x_um}[metal]
        assert wire_resistance(metal, length) == pytest.approx(ohm, abs=5e-4)
