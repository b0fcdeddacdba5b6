import inspect

import pytest

import keras_alt.files
import keras_route.files

pytestmark = pytest.mark.check


def test_both_packages_write_files_by_the_same_code():
    # Neither imports the other, so each has its copy.
    assert inspect.getsource(keras_route.files) == inspect.getsource(keras_alt.files)


def test_a_folder_is_refused_before_anything_is_done(tmp_path):
    with (
        pytest.raises(IsADirectoryError, match="add the name of a file"),
        keras_route.files.written_whole(tmp_path),
    ):
        pytest.fail("the block ran")
    assert not list(tmp_path.iterdir())
