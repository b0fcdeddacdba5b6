"""Small networks of `keras.applications` go all the way; the benchmark does the others."""

import applications
import pytest

SMALLEST = "MobileNet"
OTHERS = (
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "VGG19",
)
pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize(
    "name", [SMALLEST, *(pytest.param(name, marks=pytest.mark.full) for name in OTHERS)]
)
def test_a_network_goes_all_the_way(name):
    row = applications.check(name)

    assert row["folding"] <= 1e-4
    assert row["reload"]
