"""Small networks of `keras.applications` go all the way; the benchmark does the others."""

import networks
import pytest

NETWORKS = (
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetB0",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
)
pytestmark = [pytest.mark.tensorflow_only, pytest.mark.full]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_goes_all_the_way(name):
    row = networks.check(name, "litert")

    assert row["reload"]
    assert row["codes"]
    assert row["differ"] == 0
    assert row["islands"] == 0
