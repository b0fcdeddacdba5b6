"""The exported C computes the trained integers on an emulated Cortex-M."""

import json
import re
import shutil

import models
import numpy as np
import pytest
from alone import run_alone
from exported import assert_exact, quantized, small

import keras_alt
from keras_alt.engines.cortex_m import BOARDS, costs_on_board, device
from keras_alt.engines.cortex_m.boards import get_board
from keras_alt.engines.cortex_m.run import write_board
from keras_alt.targets import TARGETS

ALL = list(BOARDS)


@pytest.fixture
def tools():
    try:
        device.require()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("board", ALL)
def test_a_board_computes_every_code(board, rng, monkeypatch):
    monkeypatch.setenv("BOARD", board)
    model, x = quantized(models.residual(), rng, "litert")
    result = keras_alt.verify(model, x, "cortex-m", verbose=False)
    assert result, str(result)
    assert result.first_difference is None
    assert len(result.layers) > 5
    assert result.version.startswith(f"{BOARDS[board].core} of {board}, arm-none-eabi-gcc")
    assert "QEMU" in result.version


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    "target", ["paper", *(pytest.param(t, marks=pytest.mark.full) for t in TARGETS if t != "paper")]
)
def test_every_target_is_exact_with_vector_instructions(target, rng, monkeypatch):
    monkeypatch.setenv("CFLAGS", "-O3")
    assert_exact(*quantized(models.residual(), rng, target), "cortex-m")


@pytest.mark.usefixtures("tools")
def test_costs_are_those_of_the_files(rng, tmp_path, monkeypatch):
    model, x = quantized(models.residual(), rng, "tflm")
    costs = costs_on_board(model, x)
    assert (costs.mismatches, costs.total) == (0, 16 * 5)
    assert len(costs.instructions) == 16
    keras_alt.export.to_c(model, tmp_path / "c", name="net")
    header = (tmp_path / "c" / "net.h").read_text()
    bytes = {name: int(n) for name, n in re.findall(r"#define NET_(\w+)_BYTES (\d+)", header)}
    assert costs.memory == bytes["ARENA"]
    # The compiler aligns arrays, and small ones become instructions.
    assert 0.8 < costs.constants / bytes["CONSTANT"] < 1.2
    assert 1000 < costs.code < 10000
    assert 0 < costs.stack < 1024
    assert costs.program["text"] > costs.code + costs.constants
    assert f"{costs.instructions[0]:,}" in str(costs)

    monkeypatch.setenv("CFLAGS", "-O0")
    slow = costs_on_board(model, x[:2], "mps2-an386")
    assert min(slow.instructions) > 2 * max(costs.instructions)
    assert slow.version.startswith("Cortex-M4")


COUNTED = """
#include <stdio.h>
#include "board.h"
int main(void)
{
    uint32_t times;
    while (fread(&times, sizeof times, 1, stdin) == 1) {
        const uint64_t before = board_ticks();
        __asm volatile("1: subs %0, #1\\n\\tbne 1b" : "+r"(times) : : "cc");
        const uint64_t spent = board_ticks() - before;
        fwrite(&spent, sizeof spent, 1, stdout);
    }
    return 0;
}
"""


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("board", ALL)
def test_a_tick_is_an_instruction(board, tmp_path):
    """A loop of two instructions has a known number, and so many that SysTick starts anew."""
    write_board(BOARDS[board], str(tmp_path))
    (tmp_path / "counted.c").write_text(COUNTED)
    times = np.array([1, 1000, 12_000_000], np.uint32)
    rows = device.run(device.build(str(tmp_path), ["counted.c"]), [times])
    instructions = rows.copy().view("<u8").ravel() * 1e9 / BOARDS[board].clock / 2**device.SHIFT
    more = instructions - 2 * times.astype(float)
    assert (more >= 0).all()
    assert (more < 30).all()


@pytest.mark.usefixtures("tools")
def test_a_network_that_does_not_fit_is_refused(rng, monkeypatch):
    model, x = small(rng, "litert")
    tiny = BOARDS[ALL[0]].__class__(**{**vars(BOARDS[ALL[0]]), "flash": (0x11000000, 4096)})
    monkeypatch.setitem(BOARDS, ALL[0], tiny)
    with pytest.raises(ValueError, match=r"must fit the memories of mps3.*bytes too many in FLASH"):
        keras_alt.verify(model, x, "cortex-m", verbose=False)


@pytest.mark.usefixtures("tools")
def test_a_program_that_faults_is_an_error(tmp_path):
    write_board(get_board(), str(tmp_path))
    (tmp_path / "main.c").write_text("int main(void) { return *(volatile int *)0xF0000000; }\n")
    with pytest.raises(RuntimeError, match="Received: exit status 70"):
        device.run(device.build(str(tmp_path), ["main.c"]), [np.zeros(1, np.int8)])


@pytest.mark.usefixtures("tools")
def test_a_bundle_repeats_the_proof(rng, tmp_path):
    model, x = small(rng, "litert")
    result = keras_alt.verify(model, x, "cortex-m", tmp_path / "bundle", verbose=False)
    assert result
    about = json.loads((tmp_path / "bundle" / "model" / "c" / "board.json").read_text())
    assert about["machine"] == ALL[0]
    process = run_alone(tmp_path, tmp_path / "bundle" / "verify.py")
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"0 of {result.total} codes differ\n")


def test_missing_tools_are_named_with_their_packages(rng, monkeypatch):
    model, x = small(rng, "litert")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
    for run in (lambda: keras_alt.verify(model, x, "cortex-m"), lambda: costs_on_board(model, x)):
        with pytest.raises(ImportError, match=f"{message}.*no arm-none-eabi-gcc, qemu-system-arm"):
            run()


def test_an_unknown_board_is_refused():
    with pytest.raises(ValueError, match=r"mps3-an547 \(Cortex-M55\).*board='uno'"):
        get_board("uno")


def test_refusals_are_usual(rng, tmp_path):
    inside, x = quantized(models.float_inside(), rng, "litert")
    with pytest.raises(ValueError, match="float layers layer_normalization"):
        keras_alt.verify(inside, x, "cortex-m")
