"""What Arm's compiler Vela makes of a LiteRT file for an Ethos-U, a processor of networks."""

import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata

from keras_alt.engines.fitting import ExportError, require
from keras_alt.files import scratch_folder

KIB = 1024
SUMMARY = re.compile(r"^(CPU|NPU) operators = (\d+)", re.MULTILINE)
REFUSED = re.compile(r"^Warning .*operator: (\w+), ofm: '(.*)'\nReason: (.*)", re.MULTILINE)


@dataclass(frozen=True)
class EthosCosts:
    """What one inference costs, as Vela estimates it.

    Attributes:
        version: Vela's.
        accelerator: the Ethos-U, as Vela names it.
        on_npu, on_cpu: number of operators that the Ethos-U computes, and of those left to the CPU.
        reasons: `{operator: why it is left to the CPU}`.
        sram, flash: bytes of on-chip memory, and of memory for weights and commands.
        cycles: of the Ethos-U. Those of the CPU are not in it.
        milliseconds: the same at the clock that Vela assumes.
    """

    version: str
    accelerator: str
    on_npu: int
    on_cpu: int
    reasons: dict[str, str]
    sram: int
    flash: int
    cycles: int
    milliseconds: float

    def __str__(self):
        left = "".join(f"\non the CPU: {name}: {why}" for name, why in self.reasons.items())
        return (
            f"{self.accelerator}: {self.on_npu} of {self.on_npu + self.on_cpu} operators on the "
            f"NPU, {self.sram:,} bytes of SRAM, {self.flash:,} of flash, {self.cycles:,} cycles, "
            f"{self.milliseconds:.2f} ms ({self.version}){left}"
        )


def ethos_costs(path: str | os.PathLike, accelerator: str = "ethos-u55-128") -> EthosCosts:
    """Compile a LiteRT file for an Ethos-U, and tell what it costs there.

    Memories and clock are Vela's defaults for the accelerator. The codes are not compared: Vela has
    no simulator.

    Args:
        path: a file of `keras_alt.export.to_litert`. Target "tflm" has the arithmetic of the CPU
            beside an Ethos-U.
        accelerator: "ethos-u55-128" or another one of `vela --help`.

    Returns:
        An `EthosCosts`.

    Raises:
        ImportError: Vela is not installed.
        ExportError: Vela does not compile the file.
    """
    require("ethosu", "ethos")
    with scratch_folder() as folder:
        command = [sys.executable, "-m", "ethosu.vela", os.fspath(path), "--output-dir", folder]
        command += ["--accelerator-config", accelerator]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        tables = [name for name in os.listdir(folder) if name.endswith(".csv")]
        if done.returncode or not tables:
            raise ExportError(
                f"Vela must compile the file. {' '.join(command)} said:\n{done.stdout}{done.stderr}"
            )
        with open(os.path.join(folder, tables[0]), encoding="utf-8") as file:
            (row,) = csv.DictReader(file)
    operators = {processor: int(count) for processor, count in SUMMARY.findall(done.stdout)}
    flash = sum(float(row[f"{kind}_memory_used"]) for kind in ("on_chip_flash", "off_chip_flash"))
    return EthosCosts(
        f"Vela {metadata.version('ethos-u-vela')}",
        accelerator,
        operators["NPU"],
        operators["CPU"],
        {f"{kind} '{name}'": why for kind, name, why in REFUSED.findall(done.stdout)},
        round(float(row["sram_memory_used"]) * KIB),
        round((flash + float(row["dram_memory_used"])) * KIB),
        int(float(row["cycles_total"])),
        1e3 * float(row["inference_time"]),
    )
