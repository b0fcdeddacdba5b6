"""The same nets from every text; what is wrong in a text is told with its place."""

import json

import pytest

from keras_route.formats.pin_files import read_pins
from keras_route.pins import needs_wires

pytestmark = pytest.mark.check

NETS = {"clk": [(3, 5), (20, 9)], "net 7": [(0, 0), (31, 0), (8, 31)]}
LINES = [f"{name}, {x}, {y}" for name, pins in NETS.items() for x, y in pins]
TEXTS = {
    "lines.csv": "\n".join(LINES),
    "header.txt": "\n".join(["# pins of a block", "net,x,y", "", *reversed(LINES), ""]),
    "windows.csv": "\r\n".join(['"clk",3,5', *LINES[1:]]),
    "spreadsheet.csv": "\ufeff" + "\r\n".join(["net,x,y", *LINES]),
    "object.json": json.dumps(NETS),
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_form_gives_the_same_nets(name, tmp_path):
    (tmp_path / name).write_bytes(TEXTS[name].encode())

    nets = read_pins(tmp_path / name)

    assert {key: sorted(map(tuple, pins)) for key, pins in nets.items()} == {
        key: sorted(pins) for key, pins in NETS.items()
    }


def test_nets_without_names_are_numbered(tmp_path):
    path = tmp_path / "pins.json"
    path.write_text(json.dumps(list(NETS.values())))

    assert list(read_pins(path)) == ["net_0", "net_1"]


def test_the_window_decides_which_pins_are_inside(tmp_path):
    path = tmp_path / "pins.csv"
    path.write_text("a,3,5\na,40,5")

    (found,) = read_pins(path, width=41).items()
    assert found[0] == "a"
    assert found[1].tolist() == [[3, 5], [40, 5]]
    with pytest.raises(ValueError, match="pins.csv: net 'a': Pins must lie in the window"):
        read_pins(path)


def test_nets_that_need_no_wire_are_read(tmp_path):
    path = tmp_path / "pins.csv"
    path.write_text("one,3,5\ntwo,4,5\ntwo,4,6\nsame,7,7\nsame,7,7")

    nets = read_pins(path)

    assert [name for name, pins in nets.items() if not needs_wires(pins)] == ["one", "same"]
    assert nets["same"].tolist() == [[7, 7], [7, 7]]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "a,1,2\na,1.5,2", r"line 2 must be `name, x, y`.*Received: 'a, 1.5, 2'"),
        ("a.csv", "a,1,2\n\nb,3", "line 3"),
        ("a.csv", "a,1,2\nnet,x,y", "line 2"),
        ("a.csv", "a,1,2\na,1,32", "net 'a': Pins must lie in the window"),
        ("a.csv", "a,1,2\nb,32,2", "net 'b': Pins must lie in the window"),
        ("a.json", '{"a": []}', r"net 'a': .*\(n, 2\)"),
        ("a.json", "[" * 100_000, "lie in each other too deeply"),
        ("a.json", "[" * 100 + "]" * 100, "a.json: "),
        ("a.csv", "# nothing\n", "must have a net"),
        ("a.csv", "\x89PNG\n", "line 1"),
        ("a.json", "{", "a.json: Expecting"),
        ("a.json", "3", "Received: 3"),
        ("a.json", '{"a": 3}', "Pins in JSON are"),
        ("a.json", '{"a": [[1, 2], [3, 4.5]]}', "net 'a': `pins` must be integer pixels"),
        ("a.json", '{"a": [[1, 2, 3], [3, 4, 5]]}', r"net 'a': .*\(n, 2\)"),
        ("a.json", '{"a": [["1", "2"], ["3", "4"]]}', "net 'a': `pins` must be integer"),
        ("a.json", '{"a": [[1, 2], [3, 4]], "a": [[1, 2], [3, 5]]}', "'a' more than once"),
        ("a.json", "[]", "must have a net"),
    ],
)
def test_wrong_texts_are_refused(name, text, match, tmp_path):
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(ValueError, match=match) as caught:
        read_pins(path)
    assert str(path) in str(caught.value)


def test_what_is_not_text_is_refused(tmp_path):
    path = tmp_path / "nets.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")

    with pytest.raises(ValueError, match="nets.h5"):
        read_pins(path)
