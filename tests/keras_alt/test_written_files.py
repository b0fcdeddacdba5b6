"""Files and folders are written whole, where they were meant to be, and nothing else is touched."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from keras_alt import files
from keras_alt.engines.folders import final_path, folder_written_whole

pytestmark = pytest.mark.check
unix = pytest.mark.skipif(files.fcntl is None, reason="Windows has no such locks")


def write(path, text="new"):
    with files.written_whole(path) as temporary, open(temporary, "w") as file:
        file.write(text)


def write_folder(path):
    with folder_written_whole(path) as folder, open(os.path.join(folder, "file"), "w") as file:
        file.write("new")


def killed_while_writing(path):
    """Let a process begin to write a file, so that it can be killed."""
    return inside(f"written_whole({os.fspath(path)!r})")


def inside(context):
    """Return a process that waits inside a context of the module."""
    code = f"""
        import sys, time
        from keras_alt.files import *
        with {context}:
            print("writing", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LIGHT) + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    return process


# The package imports Keras. Its module of files alone needs nothing.
LIGHT = f"""
    import sys, types
    sys.modules["keras_alt"] = package = types.ModuleType("keras_alt")
    package.__path__ = [{os.path.dirname(files.__file__)!r}]
"""


@unix
def test_what_a_killed_process_left_is_removed_by_the_next_of_the_same_name(tmp_path):
    path, other = tmp_path / "model.tflite", tmp_path / "other.tflite"
    dead, alive, others = map(killed_while_writing, (path, path, other))
    try:
        for process in (dead, others):
            process.send_signal(signal.SIGKILL)
            process.wait()
        (tmp_path / ".writing-kept").mkdir()
        before = set(os.listdir(tmp_path))
        assert len(before) == 4

        write(path)

        removed = before - set(os.listdir(tmp_path))
        assert len(removed) == 1
        assert path.read_text() == "new"
        alive.send_signal(signal.SIGKILL)
        alive.wait()
        write(path)
        write(other)
        assert set(os.listdir(tmp_path)) == {".writing-kept", path.name, other.name}
    finally:
        for process in (dead, alive, others):
            process.kill()
            process.wait()


@unix
def test_temporary_folders_of_killed_processes_are_removed_by_the_next(tmp_path):
    processes = [inside(f"scratch_folder({os.fspath(tmp_path)!r})") for _ in range(2)]
    try:
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        assert len(os.listdir(tmp_path)) == 2
        with files.scratch_folder(tmp_path) as mine, files.scratch_folder(tmp_path) as other:
            assert mine != other
            write(os.path.join(mine, "file"))
            assert len(os.listdir(tmp_path)) == 3  # that of the process that waits stays
        assert len(os.listdir(tmp_path)) == 1
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_file_can_tell_where_it_will_be(tmp_path):
    outer = os.path.realpath(tmp_path / "outer")
    with folder_written_whole(outer) as temporary:
        with folder_written_whole(os.path.join(temporary, "inner")) as folder:
            inside = final_path(os.path.join(folder, "file"))
        beside = final_path(temporary + "-beside")

    assert inside == os.path.join(outer, "inner", "file")
    assert beside == temporary + "-beside"
    assert final_path(os.path.join(temporary, "file")) == os.path.join(temporary, "file")


def test_two_writers_of_one_folder_are_told(tmp_path):
    path = tmp_path / "folder"
    told = pytest.raises(FileExistsError, match="Another process has written there meanwhile")
    with told, folder_written_whole(path):
        write_folder(path)
    assert os.listdir(tmp_path) == ["folder"]
    assert (path / "file").read_text() == "new"


@pytest.mark.parametrize("there", [True, False])
def test_links_stay_and_lead_to_what_is_written(there, tmp_path):
    (tmp_path / "target").mkdir()
    file, link = tmp_path / "target" / "file", tmp_path / "link.weights.bin"
    if there:
        file.write_text("old")
    link.symlink_to(file)
    with files.written_whole(link) as temporary, open(temporary, "w") as opened:
        assert temporary.endswith(".weights.bin")  # some writers go by the suffix
        opened.write("new")
    assert link.is_symlink() and file.read_text() == "new"
    assert sorted(os.listdir(tmp_path / "target")) == ["file"]

    folder, link = tmp_path / "target" / "folder", tmp_path / "link"
    if there:
        folder.mkdir()
    link.symlink_to(folder)
    write_folder(link)
    assert link.is_symlink() and (folder / "file").read_text() == "new"


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("new.bin/", IsADirectoryError, "add the name of a file"),
        ("with\0nul", ValueError, "must be one that the system takes"),
        ("n" * 300, ValueError, "must be one that the system takes"),
        ("circle", ValueError, "must be one that the system takes"),
    ],
)
def test_a_path_that_is_no_file_is_refused(name, error, match, tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(error, match=match):
        write(f"{tmp_path}/{name}")
    assert os.listdir(tmp_path) == ["circle"]


@pytest.mark.parametrize("path", [None, b"file.bin", 3])
@pytest.mark.parametrize("writer", [write, write_folder])
def test_what_is_no_path_is_refused(writer, path):
    with pytest.raises(TypeError, match=r"`path` must be a string.*Received: path="):
        writer(path)


@pytest.mark.skipif(not os.path.exists(os.devnull), reason="the system has no such device")
def test_a_device_is_not_replaced():
    with pytest.raises(ValueError, match="not a device or a pipe"):
        write(os.devnull)
    assert not os.path.isfile(os.devnull)
