"""Fixed-point number formats."""

import math
from dataclasses import dataclass

from keras.saving import register_keras_serializable


@register_keras_serializable(package="keras_alt")
@dataclass(frozen=True)
class FixedPoint:
    """The integers a uniform symmetric quantizer may produce.

    A code `c` stands for the value `c * 2**exponent`; there is no zero point.

    Args:
        bits: width, 2 to 32.
        signed: two's complement if true, else codes start at 0.
        narrow: leave out the lowest signed code, so that the range is symmetric
            (TensorFlow Lite's rule for weights: [-127, 127] in 8 bit).
    """

    bits: int
    signed: bool = True
    narrow: bool = False

    def __post_init__(self):
        if not isinstance(self.bits, int) or not 2 <= self.bits <= 32:
            raise ValueError(
                f"`bits` must be an integer from 2 to 32. Received: bits={self.bits!r}"
            )
        if self.narrow and not self.signed:
            raise ValueError(
                "`narrow` leaves out the lowest negative code, so it needs `signed=True`. "
                f"Received: signed={self.signed}, narrow={self.narrow}"
            )

    @property
    def levels(self) -> int:
        """Steps between zero and the threshold: 2**(bits - 1) signed, 2**bits unsigned."""
        return 2 ** (self.bits - int(self.signed))

    @property
    def qmin(self) -> int:
        """Lowest code."""
        return -self.levels + int(self.narrow) if self.signed else 0

    @property
    def qmax(self) -> int:
        """Highest code."""
        return self.levels - 1

    def scale_exponent(self, log2_threshold: float) -> int:
        """log2 of the grid step that a clipping threshold of `2**log2_threshold` gives."""
        return math.ceil(log2_threshold) - (self.bits - int(self.signed))

    def get_config(self) -> dict:
        return {"bits": self.bits, "signed": self.signed, "narrow": self.narrow}

    @classmethod
    def from_config(cls, config: dict) -> "FixedPoint":
        return cls(**config)

    def __str__(self):
        return f"{'int' if self.signed else 'uint'}{self.bits}{' narrow' if self.narrow else ''}"
