"""Fixed-point number formats."""

import math
from dataclasses import dataclass

import numpy as np
from keras.saving import register_keras_serializable


@register_keras_serializable(package="keras_alt")
@dataclass(frozen=True)
class FixedPoint:
    """The integer codes of a uniform symmetric quantizer.

    A code `c` stands for the value `c * 2**exponent`. There is no zero point.

    Args:
        bits: width, an integer from 2 to 32.
        signed: whether codes are two's complement. If not, they start at 0.
        narrow: whether the lowest signed code is left out. The range is then symmetric, as
            TensorFlow Lite has it for weights: [-127, 127] in 8 bits.

    Raises:
        ValueError: `bits` is out of range, `signed` or `narrow` is neither True nor False, or
            `narrow` is combined with unsigned codes.
    """

    bits: int
    signed: bool = True
    narrow: bool = False

    def __post_init__(self):
        if not isinstance(self.bits, int) or not 2 <= self.bits <= 32:
            raise ValueError(
                f"`bits` must be an integer from 2 to 32. Received: bits={self.bits!r}"
            )
        for name in ("signed", "narrow"):
            value = getattr(self, name)
            if not isinstance(value, (bool, np.bool_)):
                raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
            object.__setattr__(self, name, bool(value))  # as files can hold it
        if self.narrow and not self.signed:
            raise ValueError(
                "`narrow` leaves out the lowest negative code, so it needs `signed=True`. "
                f"Received: signed={self.signed}, narrow={self.narrow}"
            )

    @classmethod
    def of(cls, width: int | str) -> "FixedPoint":
        """Return the format of signed codes of so many bits, or the one called "int8" or "uint8".

        Raises:
            ValueError: `width` is neither.
        """
        if not isinstance(width, str):
            return cls(width)
        name = width.removeprefix("u").removeprefix("int")
        if not name.isdecimal() or width not in (f"int{name}", f"uint{name}"):
            raise ValueError(
                f"A format is called 'int8' or 'uint8', for instance. Received: width={width!r}"
            )
        return cls(int(name), signed=width.startswith("int"))

    @property
    def levels(self) -> int:
        """Grid steps from zero to the threshold: 2**(bits - 1) if signed, else 2**bits."""
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
        """Return log2 of the grid step for the clipping threshold `2**log2_threshold`."""
        return math.ceil(log2_threshold) - (self.bits - int(self.signed))

    def get_config(self) -> dict:
        return {"bits": self.bits, "signed": self.signed, "narrow": self.narrow}

    @classmethod
    def from_config(cls, config: dict) -> "FixedPoint":
        return cls(**config)

    def __str__(self):
        return f"{'int' if self.signed else 'uint'}{self.bits}{' narrow' if self.narrow else ''}"
