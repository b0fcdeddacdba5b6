"""Installation of keras_alt and keras_route."""

import pathlib
import runpy

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
PLOTS = ["matplotlib>=3.8"]
GDS = ["gdstk>=0.9"]
DEMO = [*PLOTS, *GDS, "scikit-learn>=1.4"]
LITERT = ["ai-edge-litert>=2.0"]
TFLM = [*LITERT, "tflite-micro"]
ETHOS = [*LITERT, "ethos-u-vela>=4.0"]
ONNX = ["onnx>=1.17", "onnxruntime>=1.20", "qonnx>=1.0"]
HLS = ["hls4ml>=1.1", "onnx>=1.17", "qonnx>=1.0"]

setup(
    name="keras-alt",
    version=runpy.run_path(str(HERE / "keras_alt" / "version.py"))["__version__"],
    description="Trained fixed-point quantization (ALT, TQT) for Keras 3",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["keras_alt", "keras_alt.*", "keras_route", "keras_route.*"]),
    package_data={
        "keras_alt": [
            *("py.typed", "engines/c/templates/*.c", "engines/cortex_m/board/*"),
            "pages/templates/*",
        ],
        "keras_route": ["py.typed", "presets/*.json", "presets/*.weights.h5"],
    },
    py_modules=["keras_alt_command"],
    entry_points={
        "console_scripts": [
            "keras-alt=keras_alt_command:main",
            "keras-route=keras_route.cli:main",
        ]
    },
    install_requires=[
        "tensorflow>=2.21",
        "keras>=3.15",
        "tensorflow-model-optimization>=0.8.1",
        "tf_keras>=2.21",
        "h5py>=3.11",
        "jinja2>=3.1",
        "numpy>=1.26",
    ],
    extras_require={
        "jax": ["jax>=0.5"],
        "torch": ["torch>=2.6"],
        "litert": LITERT,
        "tflm": TFLM,
        "ethos": ETHOS,
        "onnx": ONNX,
        "hls": HLS,
        "gds": [*GDS, "klayout>=0.29"],
        "plots": PLOTS,
        "demo": DEMO,
        "docs": [
            "sphinx>=8",
            "myst-nb>=1.2",
            "furo>=2024.8",
            "sphinx-copybutton>=0.5",
            "sphinx-design>=0.6",
        ],
        "dev": [
            *DEMO,
            *TFLM,
            *ETHOS,
            *ONNX,
            *HLS,
            "hypothesis>=6.100",
            "mypy>=1.14",
            "pre-commit>=4",
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff>=0.9",
        ],
    },
)
