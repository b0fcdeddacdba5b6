"""What older installers start; pyproject.toml has the metadata."""

from setuptools import setup

setup()
