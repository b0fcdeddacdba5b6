"""What a wheel takes along: every file that the packages read."""

import pathlib
import tomllib

import pytest

pytestmark = pytest.mark.check

ROOT = pathlib.Path(__file__).parent.parent
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = METADATA["project"]["optional-dependencies"]
FOR_DEVELOPERS = {"docs", "dev"}
BACKENDS = {"jax", "torch"}
DOCUMENTS = {".md"}


@pytest.mark.parametrize("package", ["keras_alt", "keras_route"])
def test_every_file_of_a_package_is_in_the_wheel(package):
    folder = ROOT / package
    patterns = METADATA["tool"]["setuptools"]["package-data"][package]
    packed = {path for pattern in patterns for path in folder.glob(pattern)}
    files = {path for path in folder.rglob("*") if path.is_file()}
    read = {path for path in files if path.suffix not in {".py", ".pyc", *DOCUMENTS}}
    assert not sorted(read - packed)


@pytest.mark.parametrize("package", ["keras_alt", "keras_route"])
def test_every_folder_of_a_package_is_one(package):
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert not [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()]


def test_the_extra_all_has_every_extra_of_users():
    (everything,) = EXTRAS["all"]
    named = set(everything.removeprefix("keras-alt[").removesuffix("]").split(","))
    assert named == set(EXTRAS) - FOR_DEVELOPERS - BACKENDS - {"all"}
