"""Whether all of a model's file can be read, before Keras reads it."""

import os
import subprocess
import sys
import zipfile

# Reads all attributes and arrays of a file.
READ = """
import sys, h5py
def read(name, part):
    dict(part.attrs)
    part[()] if isinstance(part, h5py.Dataset) else None
with h5py.File(sys.argv[1], "r") as file:
    read("/", file)
    file.visititems(read)
"""
SECONDS = 60  # and a second for each MB; h5py reads a hundred times as fast
MB = 2**20


def require_whole(path: str):
    """Check that a `.keras` or HDF5 file is not damaged.

    Raises:
        ValueError: it is damaged.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"its part {damaged} is damaged: copy the file again")
        return
    # The HDF5 library loops for ever in some damaged files, and only a process can be stopped.
    try:
        read = subprocess.run(
            [sys.executable, "-c", READ, path],
            timeout=SECONDS + os.path.getsize(path) / MB,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError("it is damaged: the HDF5 library does not finish reading it") from None
    if read.returncode:
        said = read.stderr.strip().splitlines() or [f"exit status {read.returncode}"]
        raise ValueError(f"it is damaged: {said[-1]}")
