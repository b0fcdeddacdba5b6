"""A terminal gets bars; a log file gets few plain lines."""

import sys

from keras_route.data.hdf5 import write_hdf5


def test_generation_writes_a_line_into_a_file(tmp_path, capsys):
    write_hdf5(tmp_path / "nets.h5", 8, batch_size=2)

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("8/8 - ")
    assert not {"\r", "\b", "\x1b"} & {*line}


def test_a_terminal_gets_a_bar(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    write_hdf5(tmp_path / "nets.h5", 8, batch_size=2)

    assert "\r" in capsys.readouterr().out


def test_nothing_is_written_on_request(tmp_path, capsys):
    write_hdf5(tmp_path / "nets.h5", 8, verbose=False)

    assert capsys.readouterr().out == ""
