"""The manifest of a bundle: a hash of each file, and what made them."""

import hashlib
import json
import os
import pathlib
import platform
from importlib import metadata

import keras

from keras_alt.version import __version__

NAME = "manifest.json"
PACKAGES = (
    *("ai-edge-litert", "hls4ml", "jax", "keras", "numpy", "onnx", "onnxruntime", "qonnx"),
    *("tensorflow", "tflite-micro", "torch"),
)


def write_manifest(folder: str, engine: str, version: str, cpu: str):
    """Write the manifest into a folder that has all other files of a bundle.

    Args:
        folder: of the bundle.
        engine, version, cpu: as in `keras_alt.verification.Verification`.
    """
    files = hashes(folder)
    model = {path: digest for path, digest in files.items() if path.startswith("model/")}
    about = {
        "keras_alt": __version__,
        "engine": {"name": engine, "version": version},
        "processor": cpu,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        "packages": _versions(),
        "sha256": {
            "model": hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest(),
            "inputs": files["inputs.npz"],
            "codes": files["expected.npz"],
        },
        "files": files,
    }
    with open(os.path.join(folder, NAME), "w", encoding="utf-8") as file:
        file.write(json.dumps(about, indent=2) + "\n")


def check_bundle(folder: str | os.PathLike) -> dict:
    """Check that the files of a bundle are as `keras_alt.verify(..., bundle=folder)` wrote them.

    Files that were added later, such as results, are not looked at. Whoever can change the files
    can change the manifest too: keep its hash elsewhere if that matters.

    Args:
        folder: of the bundle.

    Returns:
        The content of `manifest.json`.

    Raises:
        FileNotFoundError: the folder has no manifest.
        ValueError: a file is missing or changed. The message names it.
    """
    path = os.path.join(folder, NAME)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"A bundle must have a '{NAME}': write it by `keras_alt.verify(..., bundle=folder)`. "
            f"Received: folder={os.fspath(folder)!r}"
        )
    with open(path, encoding="utf-8") as file:
        about = json.load(file)
    found = hashes(folder)
    missing = [name for name in about["files"] if name not in found]
    changed = [name for name, digest in about["files"].items() if found.get(name, digest) != digest]
    if missing or changed:
        received = [f"changed {n}" for n in changed] + [f"missing {n}" for n in missing]
        raise ValueError(
            f"The files of the bundle '{os.fspath(folder)}' must be as they were written: copy or "
            f"write it again. Received: {', '.join(received)}"
        )
    return about


def hashes(folder: str | os.PathLike) -> dict[str, str]:
    """Return `{path: sha256}` of the files in a folder, but for its manifest, in order."""
    root = pathlib.Path(folder)
    files = sorted(path for path in root.rglob("*") if path.is_file() and path != root / NAME)
    return {path.relative_to(root).as_posix(): sha256(path) for path in files}


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions():
    """Return the versions of the packages that may compute, as far as they are installed."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
