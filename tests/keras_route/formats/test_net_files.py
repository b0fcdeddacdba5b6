"""Nets come back from files as they were."""

import pytest

from keras_route.data.random_nets import generate
from keras_route.formats.net_files import read_nets
from keras_route.formats.writers import write_json
from keras_route.layout.net import Net

pytestmark = pytest.mark.check


def test_written_nets_are_read_back(tmp_path):
    nets = [Net.from_labels(label, name=f"n{i}") for i, label in enumerate(generate(4, seed=1)[1])]

    write_json(nets, tmp_path / "nets.json")

    assert read_nets(tmp_path / "nets.json") == nets


@pytest.mark.parametrize("text", ["", "{}", "3", "[3]", '["a"]', '[{"pins": [[1, 2]]}]'])
def test_other_files_are_refused(text, tmp_path):
    path = tmp_path / "nets.json"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"write_json.*Received: path=.*nets\.json"):
        read_nets(path)
