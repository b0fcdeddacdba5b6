"""A manifest tells which file of a bundle changed."""

import hashlib
import json
import os

import numpy as np
import pytest
from alone import run_alone
from exported import small

import keras_alt
from keras_alt.engines import check_bundle

FILES = {
    *("README.txt", "bundle.json", "engine.py", "expected.npz", "inputs.npz", "verify.py"),
    *("model/integers/model.json", "model/integers/weights.npz"),
}


@pytest.fixture
def bundle(rng, tmp_path):
    model, x = small(rng, "litert")
    keras_alt.verify(model, x, bundle=tmp_path / "bundle", verbose=False)
    return tmp_path / "bundle"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_has_hashes_versions_and_the_processor(bundle):
    about = check_bundle(bundle)
    proof = json.loads((bundle / "bundle.json").read_text())

    assert about == json.loads((bundle / "manifest.json").read_text())
    assert set(about["files"]) >= FILES and "manifest.json" not in about["files"]
    assert all(digest(bundle / name) == value for name, value in about["files"].items())
    assert about["sha256"]["inputs"] == digest(bundle / "inputs.npz")
    assert about["sha256"]["codes"] == digest(bundle / "expected.npz")
    assert about["engine"] == {"name": "integer", "version": proof["version"]}
    assert about["processor"] == proof["cpu"]
    assert about["packages"]["numpy"] == np.__version__
    assert about["keras_alt"] == keras_alt.__version__


def test_the_same_proof_has_the_same_hashes(rng, tmp_path):
    model, x = small(rng, "litert")
    for name in ("first", "second"):
        keras_alt.verify(model, x, bundle=tmp_path / name, verbose=False)
    first, second = (check_bundle(tmp_path / name) for name in ("first", "second"))
    assert first["sha256"] == second["sha256"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_file_that_changed_is_named(name, bundle):
    before = (bundle / name).read_bytes()
    (bundle / name).write_bytes(before + b"\n")
    with pytest.raises(ValueError, match=rf"Received: changed {name}$"):
        check_bundle(bundle)
    (bundle / name).unlink()
    with pytest.raises(ValueError, match=rf"Received: missing {name}$"):
        check_bundle(bundle)
    (bundle / name).write_bytes(before)
    check_bundle(bundle)


def test_repeating_the_proof_changes_nothing(bundle, tmp_path):
    process = run_alone(tmp_path, bundle / "verify.py")
    assert process.returncode == 0, process.stderr
    check_bundle(bundle)


def test_a_folder_without_a_manifest_is_an_error(bundle):
    os.remove(bundle / "manifest.json")
    with pytest.raises(FileNotFoundError, match=r"must have a 'manifest\.json'"):
        check_bundle(bundle)
