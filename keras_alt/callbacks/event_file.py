"""Scalars in the files that TensorBoard reads.

An event file is a sequence of records, each with its length and two checksums, around messages of
Protocol Buffers (`tensorflow/core/util/event.proto`). Written here, they need no TensorFlow, so
every backend has them.
"""

import functools
import os
import struct
import time
from collections.abc import Mapping

POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
MASK = 0xA282EAD8  # added to checksums in records
VERSION = b"brain.Event:2"
DOUBLE, INTEGER, BYTES, FLOAT = 1, 0, 2, 5  # kinds of fields


class EventFile:
    """A file that TensorBoard shows as a run.

    Args:
        folder: of the run; it is made if it is missing.
    """

    def __init__(self, folder: str | os.PathLike):
        os.makedirs(folder, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{os.getpid()}.keras_alt"
        self.path = os.path.join(folder, name)
        self._append(_field(3, BYTES, VERSION))

    def add(self, step: int, scalars: Mapping[str, float]):
        """Append the scalars of a step. Each can be seen at once."""
        values = b"".join(
            _field(1, BYTES, _field(1, BYTES, tag.encode()) + _field(2, FLOAT, value))
            for tag, value in scalars.items()
        )
        self._append(_field(2, INTEGER, step) + _field(5, BYTES, values))

    def _append(self, message):
        record = _field(1, DOUBLE, time.time()) + message
        length = struct.pack("<Q", len(record))
        with open(self.path, "ab") as file:
            file.write(b"".join([length, _checksum(length), record, _checksum(record)]))


def _field(number, kind, value):
    """Return a field of a message."""
    key = _varint(number << 3 | kind)
    if kind == INTEGER:
        return key + _varint(value)
    if kind == BYTES:
        return key + _varint(len(value)) + value
    return key + struct.pack("<d" if kind == DOUBLE else "<f", value)


def _varint(number):
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _checksum(data):
    """Return the masked CRC-32C of a record."""
    crc, table = 0xFFFFFFFF, _table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF)


@functools.cache
def _table():
    table = list(range(256))
    for _ in range(8):
        table = [crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0) for crc in table]
    return table
