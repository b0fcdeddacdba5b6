"""What a wheel takes along and what it needs: all files, and no TensorFlow on other backends."""

import os
import pathlib
import subprocess
import sys
import tomllib

import keras
import pytest

ROOT = pathlib.Path(__file__).parent.parent
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = METADATA["project"]["optional-dependencies"]
FOR_DEVELOPERS = {"docs", "dev"}
BACKENDS = {"jax", "torch"}
DOCUMENTS = {".md"}


@pytest.mark.check
@pytest.mark.parametrize("package", ["keras_alt", "keras_route"])
def test_every_file_of_a_package_is_in_the_wheel(package):
    folder = ROOT / package
    patterns = METADATA["tool"]["setuptools"]["package-data"][package]
    packed = {path for pattern in patterns for path in folder.glob(pattern)}
    files = {path for path in folder.rglob("*") if path.is_file()}
    made = {".pyc", ".nbi", ".nbc"}  # by Python and numba
    read = {path for path in files if path.suffix not in {".py", *made, *DOCUMENTS}}
    assert not sorted(read - packed)


@pytest.mark.check
@pytest.mark.parametrize("package", ["keras_alt", "keras_route"])
def test_every_folder_of_a_package_is_one(package):
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert not [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()]


@pytest.mark.check
def test_the_extra_all_has_every_extra_of_users():
    (everything,) = EXTRAS["all"]
    named = set(everything.removeprefix("keras-alt[").removesuffix("]").split(","))
    assert named == set(EXTRAS) - FOR_DEVELOPERS - BACKENDS - {"all"}


WITHOUT_TENSORFLOW = """
import sys
import keras, numpy
import keras_alt, keras_route

assert "tensorflow" not in sys.modules
sys.modules["tensorflow"] = None  # not installed: Keras imports it to look at configurations
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")])
x = numpy.linspace(-1, 1, 32, dtype="float32").reshape(8, 4)
q = keras_alt.quantize_model(model, calibration_data=x)
assert keras_alt.verify(q, x, engine="integer", verbose=False).mismatches == 0
"""


@pytest.mark.backend
@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="about JAX and torch")
def test_other_backends_do_without_tensorflow():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW], env=environment, check=True)
