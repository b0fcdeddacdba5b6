"""What narrower widths do to the outputs of a model, as rows."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from keras_alt.text_tables import text_table

WEIGHTS = "weights"  # role of rows about kernels, and their width in `QuantizeConfig.overrides`


@dataclass(frozen=True)
class SensitivityRow:
    """The model with one layer at one width.

    Attributes:
        layer: name of the layer.
        role: "weights", or the role of the quantizer of an activation, such as "output".
        bits: the width.
        sqnr_db: signal-to-quantization-noise ratio of the outputs in dB, against those of the model
            as it is; infinite if they are the same.
        loss: on the labelled samples; None if it was not measured.
        weight_bits: bits of the kernel at this width; 0 for activations.
        bit_operations: multiply-accumulates of the layer for one sample, times the bits of kernel
            and input; 0 for activations, or if a size is open.
    """

    layer: str
    role: str
    bits: int
    sqnr_db: float
    loss: float | None
    weight_bits: int = 0
    bit_operations: int = 0

    @property
    def bytes(self) -> int:
        """Bytes of the kernel, in packed bits."""
        return -(-self.weight_bits // 8)

    @property
    def same(self) -> bool:
        """Whether the outputs are those of the model as it is."""
        return self.sqnr_db == math.inf

    @property
    def noise(self) -> float:
        """Power of the noise at the outputs, relative to that of the signal."""
        return 10.0 ** (-self.sqnr_db / 10.0)


@dataclass(frozen=True)
class Totals:
    """What a model with some widths costs, and the sum of what its layers lose.

    Attributes:
        bytes: of kernels and biases, as `keras_alt.report` counts them.
        bit_operations: of one sample.
        loss: sum of what each layer adds to the loss, or to the relative noise power of the outputs
            if the loss was not measured. Layers that are narrowed together may lose more or less.
    """

    bytes: int
    bit_operations: int
    loss: float


@dataclass(frozen=True)
class Sensitivity:
    """The result of `keras_alt.sensitivity`. `str()` returns it as a table.

    Attributes:
        rows: a `SensitivityRow` for each layer and width, the layers in the order of computation.
            The last row of a layer is that of its own width.
        loss: of the model as it is; None if it was not measured.
        other_weight_bits, other_bit_operations: of what has no row, such as biases.
    """

    rows: list[SensitivityRow]
    loss: float | None
    other_weight_bits: int
    other_bit_operations: int

    def kernels(self) -> dict[str, list[SensitivityRow]]:
        """Return the rows of each kernel, from narrow to wide."""
        kernels = {}
        for row in self.rows:
            if row.role == WEIGHTS:
                kernels.setdefault(row.layer, []).append(row)
        return kernels

    def increase(self, row: SensitivityRow) -> float:
        """Return what the width of a row adds to the loss, or to the noise of the outputs."""
        return row.noise if self.loss is None else row.loss - self.loss

    def uniform(self, bits: int) -> dict[str, dict[str, int]]:
        """Return `overrides` that give each kernel `bits`, or its own width if that is less.

        Raises:
            ValueError: the width was not measured.
        """
        return {
            layer: {WEIGHTS: _at(rows, min(bits, rows[-1].bits)).bits}
            for layer, rows in self.kernels().items()
        }

    def totals(self, overrides: Mapping[str, Mapping[str, int]]) -> Totals:
        """Return what the model costs and loses with `overrides`.

        Args:
            overrides: from `keras_alt.allocate` or `uniform`: `{layer: {"weights": bits}}`. Other
                layers keep their own widths.

        Raises:
            ValueError: a width was not measured.
        """
        chosen = [
            _at(rows, overrides.get(layer, {}).get(WEIGHTS, rows[-1].bits))
            for layer, rows in self.kernels().items()
        ]
        bits = self.other_weight_bits + sum(row.weight_bits for row in chosen)
        operations = self.other_bit_operations + sum(row.bit_operations for row in chosen)
        return Totals(-(-bits // 8), operations, math.fsum(map(self.increase, chosen)))

    def __str__(self):
        table = self._text("SQNR dB", lambda row: "same" if row.same else f"{row.sqnr_db:.1f}")
        if self.loss is None:
            return table
        losses = self._text("loss", lambda row: f"{row.loss:.4f}")
        return f"{losses}\nloss as it is: {self.loss:.4f}\n\n{table}"

    def _text(self, what, cell):
        """Return a table with a row for each layer and a column for each width."""
        widths = sorted({row.bits for row in self.rows})
        header = ("layer", "role", "bits", "bytes", *(f"{what} at {bits}" for bits in widths))
        by_layer = {}
        for row in self.rows:
            by_layer.setdefault((row.layer, row.role), {})[row.bits] = row
        lines = []
        for key, rows in by_layer.items():
            own = rows[max(rows)]
            size = f"{own.bytes:,}" if own.bytes else ""
            cells = (cell(rows[bits]) if bits in rows else "" for bits in widths)
            lines.append((*key, str(own.bits), size, *cells))
        return text_table(header, lines)

    def to_dict(self) -> dict:
        """Return the table as data for JSON. `sqnr_db` is None if the outputs are the same."""
        rows = [{**asdict(row), "bytes": row.bytes} for row in self.rows]
        for row in rows:
            row["sqnr_db"] = None if row["sqnr_db"] == math.inf else row["sqnr_db"]
        return {**asdict(self), "rows": rows}

    @classmethod
    def from_dict(cls, data: Mapping) -> "Sensitivity":
        """Return the table that `to_dict` gave.

        Raises:
            ValueError: `data` is something else.
        """
        try:
            rows = [
                SensitivityRow(
                    **{
                        name: value
                        for name, value in row.items()
                        if name not in ("bytes", "sqnr_db")
                    },
                    sqnr_db=math.inf if row["sqnr_db"] is None else row["sqnr_db"],
                )
                for row in data["rows"]
            ]
            return cls(**{**data, "rows": rows})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                "Data must be what `Sensitivity.to_dict` or `keras-alt sensitivity --json` gave. "
                f"Received: {str(data)[:60]}"
            ) from error


def _at(rows, bits):
    for row in rows:
        if row.bits == bits:
            return row
    raise ValueError(
        f"A width must be one that `keras_alt.sensitivity` measured: give it in its `bits`. "
        f"Received: {bits} for layer '{rows[0].layer}', measured: {[row.bits for row in rows]}"
    )
