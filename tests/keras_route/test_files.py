import inspect

import pytest

import keras_alt.array_files
import keras_alt.files
import keras_route.array_files
import keras_route.files

pytestmark = pytest.mark.check


@pytest.mark.parametrize(
    ("first", "second"),
    [(keras_alt.files, keras_route.files), (keras_alt.array_files, keras_route.array_files)],
)
def test_both_packages_handle_files_by_the_same_code(first, second):
    # Neither imports the other, so each has its copy.
    assert inspect.getsource(first) == inspect.getsource(second)


def test_a_folder_is_refused_before_anything_is_done(tmp_path):
    with (
        pytest.raises(IsADirectoryError, match="add the name of a file"),
        keras_route.files.written_whole(tmp_path),
    ):
        pytest.fail("the block ran")
    assert not list(tmp_path.iterdir())
