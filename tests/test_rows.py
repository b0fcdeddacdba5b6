"""`benchmarks/rows.py` measures a row once."""

import pytest
from rows import measured

pytestmark = pytest.mark.check
SCRIPT = """
import json, sys
assert sys.argv[3] != "bad", "no such mode"
print(json.dumps({"name": sys.argv[2], "mode": sys.argv[3], "value": VALUE}))
"""


@pytest.fixture
def script(tmp_path):
    def write(value):
        (tmp_path / "script.py").write_text(SCRIPT.replace("VALUE", str(value)))
        return tmp_path / "script.py"

    return write


def test_a_row_that_is_in_the_file_is_not_measured_again(script, tmp_path):
    path = tmp_path / "rows.jsonl"
    first = measured(path, script(1), "name", "mode")("net", "good")

    row = measured(path, script(2), "name", "mode")

    assert first == {"name": "net", "mode": "good", "value": 1}
    assert row("net", "good") == first
    assert row("other", "good")["value"] == 2
    assert len(path.read_text().splitlines()) == 2


def test_a_row_with_an_error_is_measured_again(script, tmp_path):
    path = tmp_path / "rows.jsonl"
    broken = measured(path, script(1), "name", "mode")("net", "bad")

    assert broken == {"name": "net", "mode": "bad", "error": "AssertionError: no such mode"}
    script(1).write_text(SCRIPT.replace("VALUE", "3").replace("assert", "True or"))
    assert measured(path, tmp_path / "script.py", "name", "mode")("net", "bad")["value"] == 3
