"""Without widths, Quant layers pass Keras' own tests, except those of `layer.quantize`."""

import os
import pathlib
import re
import subprocess
import sys

import keras
import pytest

HERE = pathlib.Path(__file__).parent.parent
KERAS = pathlib.Path(keras.src.__file__).parent / "layers"
# Keras quantizes its own classes only: `quantize` refuses subclasses.
QUANTIZE = "quantize or quantization or quantizer or int4 or int8 or awq or gptq or legacy_load"
# How their classes begin, and the least number of tests in them: to notice if Keras renames them.
DENSE = {"core/dense_test.py": ("Dense", 10)}
CONVOLUTIONS = {
    "convolutional/conv_test.py": ("Conv(Basic|Correctness)", 40),
    "convolutional/conv_transpose_test.py": ("ConvTranspose", 10),
    "convolutional/depthwise_conv_test.py": ("DepthwiseConv", 10),
    "convolutional/separable_conv_test.py": ("SeparableConv", 10),
}

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.full]


@pytest.mark.parametrize("modules", [DENSE, CONVOLUTIONS], ids=["dense", "convolutions"])
def test_keras_own_tests_pass(modules, tmp_path):
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parent}:{HERE}"}
    # Without a file of its own, pytest would find ours: the virtual environment lies below it.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    configuration = ["-c", tmp_path / "pytest.ini", "--rootdir", tmp_path]
    command = [sys.executable, "-m", "pytest", "-q", "-rp", "-p", "twins", *configuration]
    paths = [KERAS / module for module in modules]
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-k", f"not ({QUANTIZE})", *paths],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    for module, (beginning, least) in modules.items():
        passed = re.findall(rf"^PASSED .*::{beginning}\w*::", run.stdout, re.MULTILINE)
        assert len(passed) >= least, module
