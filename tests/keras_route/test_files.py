import inspect

import keras_alt.files
import keras_route.files


def test_both_packages_write_files_by_the_same_code():
    # Neither imports the other, so each has its copy.
    assert inspect.getsource(keras_route.files) == inspect.getsource(keras_alt.files)
