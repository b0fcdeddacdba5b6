"""What files hold, without the moments at which they were written; and whether they are whole."""

import csv
import hashlib
import io
import json
import os
import pathlib
import re
import zipfile

import h5py
import numpy as np

TIMES = {"seconds", "route__seconds", "date_saved", "cpu", "process"}
TIMED_TEXT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?|\d+(\.\d+)? s\b")
COMMAND = re.compile(r"<dt>command</dt><dd>.*?</dd>", re.DOTALL)  # which names the folder
SHARED = re.compile(rb'"shared_object_id": (\d+)')


def contents(folder: pathlib.Path) -> dict[str, str]:
    """Return `{path of each file and empty folder: hash of what it holds}`.

    Raises:
        ValueError: a file is not whole.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            if not any(path.iterdir()):
                found[f"{name}/"] = ""
        elif "tfevents" not in path.name:  # one for each start
            found[name] = hashlib.sha256(held(path)).hexdigest()[:12]
    return found


def held(path: pathlib.Path) -> bytes:
    """Return what a file holds, without times.

    Raises:
        ValueError: the file is not whole.
    """
    try:
        return READERS.get(path.suffix, pathlib.Path.read_bytes)(path)
    except Exception as error:  # whatever a reader raises, the file is not whole
        raise ValueError(f"half a file: {path} ({error})") from error


def _hdf5(file):
    held = hashlib.sha256()
    with h5py.File(file) as opened:

        def add(name, value):
            held.update(name.encode())
            held.update(repr(sorted((k, str(v)) for k, v in value.attrs.items())).encode())
            if isinstance(value, h5py.Dataset):
                held.update(repr((value.shape, str(value.dtype))).encode())
                held.update(np.ascontiguousarray(value[()]).tobytes())

        add("/", opened)
        opened.visititems(add)
    return held.digest()


def _keras(path):
    with zipfile.ZipFile(path) as archive:
        weights = _hdf5(io.BytesIO(archive.read("model.weights.h5")))
        json.loads(archive.read("metadata.json"))
        return _numbered(archive.read("config.json")) + weights + archive.comment


def _numbered(config):
    """Return a configuration with shared objects by number; Keras writes their addresses."""
    numbers = {}

    def number(found):
        return b'"shared_object_id": %d' % numbers.setdefault(found[1], len(numbers))

    return SHARED.sub(number, config)


def _npz(path):
    with np.load(path) as arrays:
        return b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays.files))


def _json(path):
    return json.dumps(_untimed(json.loads(path.read_text()))).encode()


def _untimed(value):
    if isinstance(value, dict):
        return {k: _untimed(v) for k, v in value.items() if k not in TIMES}
    return [_untimed(v) for v in value] if isinstance(value, list) else value


def _csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if path.name == "seconds.csv":
        rows = [row[:1] for row in rows]
    return repr(rows).encode()


def _text(path):
    text = path.read_text()
    if path.suffix == ".html" and not text.rstrip().endswith("</html>"):
        raise ValueError("the page has no end")
    return TIMED_TEXT.sub("", COMMAND.sub("", text)).encode()


def _yaml(path):
    """Return a configuration of hls4ml without the folder and the stamp of its making."""
    lines = path.read_text().splitlines()
    return repr([x for x in lines if not x.startswith(("OutputDir:", "Stamp:"))]).encode()


def _shell(path):
    return repr([x for x in path.read_text().splitlines() if "LIB_STAMP=" not in x]).encode()


def _onnx(path):
    """Return operators and constants without names, some of which qonnx draws at random."""
    import onnx

    graph = onnx.load(path).graph
    nodes = [(node.op_type, [a.SerializeToString() for a in node.attribute]) for node in graph.node]
    constants = sorted(onnx.numpy_helper.to_array(t).tobytes() for t in graph.initializer)
    return repr((nodes, constants)).encode()


def _checkpoint(path):
    """Return the tensors of a SavedModel; Keras lists them in another order each time."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(os.fspath(path.with_suffix("")))
    names = [n for n in reader.get_variable_to_shape_map() if not n.startswith("_CHECK")]
    return b"".join(sorted(np.asarray(reader.get_tensor(name)).tobytes() for name in names))


def _present(path):
    """Return nothing of a file whose contents another one tells, or that is numbered anew."""
    path.read_bytes()
    return b""


READERS = {
    ".keras": _keras,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".npz": _npz,
    ".json": _json,
    ".csv": _csv,
    ".html": _text,
    ".onnx": _onnx,
    ".yml": _yaml,
    ".sh": _shell,
    ".index": _checkpoint,
    ".data-00000-of-00001": _present,  # of the checkpoint with that index
    ".pb": _present,
}
