"""Packs integer codes of any width without gaps.

Bits are little-endian throughout. Code `i` of `bits` bits takes the bits `i * bits` to
`(i + 1) * bits - 1` of the stream, lowest bit first. Bit `j` of the stream is bit `j % 8` of byte
`j // 8`, where bit 0 is the lowest. Two 4-bit codes share a byte; the first is in the low half.
Negative codes are in two's complement. Zeros fill the last byte.
"""

import numpy as np


def pack(codes, bits):
    """Return `ceil(codes.size * bits / 8)` bytes as a uint8 array.

    Args:
        codes: array of integers, in row-major order (the last axis runs fastest).
        bits: width of a code, 1 to 64.
    """
    flat = np.ascontiguousarray(codes, "<i8").reshape(-1, 1)
    stream = np.unpackbits(flat.view(np.uint8), axis=1, count=bits, bitorder="little")
    return np.packbits(stream.ravel(), bitorder="little")


def unpack(packed, bits, signed, shape):
    """Return packed codes as an int64 array.

    Args:
        packed: uint8 array from `pack`.
        bits: width of a code.
        signed: whether the highest bit of a code is its sign.
        shape: shape of the result.
    """
    count = int(np.prod(shape, dtype=np.int64))
    stream = np.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    codes = np.zeros(count, np.int64)
    for bit in range(bits):
        weight = -(1 << bit) if signed and bit == bits - 1 else 1 << bit
        codes += stream[:, bit] * np.int64(weight)
    return codes.reshape(shape)
