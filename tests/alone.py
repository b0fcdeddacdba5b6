"""Scripts that run where Keras and this package are not installed."""

import atexit
import functools
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

SITE_PACKAGES = pathlib.Path(np.__file__).parent.parent
FRAMEWORKS = ("keras", "tensorflow", "tf_keras", "jax", "torch")


@functools.cache
def packages_without(names):
    """Return a folder of links to the installed packages, which goes when this process ends."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for entry in SITE_PACKAGES.iterdir():
        if entry.name not in (*names, "keras_alt"):
            (pathlib.Path(folder) / entry.name).symlink_to(entry)
    return folder


def run_alone(folder, *command, without=FRAMEWORKS):
    """Run Python on `command` with all installed packages but some; return the process.

    Args:
        folder: where it runs.
        command: a script and its arguments, or `"-c"` and code.
        without: names of packages to hide. This one is always hidden.
    """
    return subprocess.run(
        [sys.executable, "-S", *map(str, command)],  # -S: no site-packages, no editable installs
        env={"PYTHONPATH": packages_without(tuple(without)), "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
