"""Scripts that run where Keras and this package are not installed."""

import pathlib
import subprocess
import sys

import numpy as np

SITE_PACKAGES = pathlib.Path(np.__file__).parent.parent
FRAMEWORKS = ("keras", "tensorflow", "tf_keras", "jax", "torch")


def run_alone(folder, *command, without=FRAMEWORKS):
    """Run Python on `command` with all installed packages but some; return the process.

    Args:
        folder: scratch space.
        command: a script and its arguments, or `"-c"` and code.
        without: names of packages to hide. This one is always hidden.
    """
    packages = folder / "packages"
    if not packages.exists():
        packages.mkdir()
        for entry in SITE_PACKAGES.iterdir():
            if entry.name not in (*without, "keras_alt"):
                (packages / entry.name).symlink_to(entry)
    return subprocess.run(
        [sys.executable, "-S", *map(str, command)],  # -S: no site-packages, no editable installs
        env={"PYTHONPATH": str(packages), "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
