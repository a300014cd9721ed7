# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Read protobuf records without the protobuf package: fields by number, nothing decoded unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    # (number, start, stop) of a field with a length; (number, value, -1) of a number.
    Field: TypeAlias = tuple[int, int, int]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# Records in one file. The largest networks of this field have some 10**5; two bytes make a record,
# so that a hostile file of the size we read could hold 10**8, a minute of walking.
MAX_RECORDS = 1_000_000


class ProtobufError(ValueError):
    """Bytes that are no protobuf record, or more records than any network has."""


class Records:
    """The records of one file, read where they lie.

    Args:
        data: The bytes of the file.

    Attributes:
        data: The same bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = MAX_RECORDS

    def fields(self, start: int, stop: int) -> list[Field]:  # noqa: C901  (calls cost half the time)
        """Return the fields of the record in `data[start:stop]` in order.

        Raises:
            ProtobufError: The record is broken, or the file has too many.
        """
        data = self.data
        found: list[Field] = []
        position = start
        try:
            # A loop of bounded length costs less than counting; this one takes most of the walk.
            for _ in range(self._left):
                if position >= stop:
                    break
                key = data[position]
                position += 1
                if key > 0x7F:
                    key, position = _varint(data, position - 1)
                kind = key & 7
                if kind == LENGTH:
                    size = data[position]
                    position += 1
                    if size > 0x7F:
                        size, position = _varint(data, position - 1)
                    found.append((key >> 3, position, position + size))
                    position += size
                elif kind == VARINT:
                    value = data[position]
                    position += 1
                    if value > 0x7F:
                        value, position = _varint(data, position - 1)
                    found.append((key >> 3, value, -1))
                elif kind in {FIXED32, FIXED64}:
                    size = 4 if kind == FIXED32 else 8
                    found.append((key >> 3, position, position + size))
                    position += size
                else:
                    raise ProtobufError(f'wire type {kind} at byte {position - 1}')
            else:
                raise ProtobufError(f'more than {MAX_RECORDS} records')
        except IndexError:
            raise ProtobufError(f'the file ends within a record at byte {start}') from None
        if position != stop:
            raise ProtobufError(f'a record at byte {start} ends at byte {position}, not {stop}')
        self._left -= len(found)
        return found

    def varints(self, start: int, stop: int) -> int:
        """Count the packed whole numbers in `data[start:stop]`."""
        packed = np.frombuffer(self.data, np.uint8, stop - start, start)
        return int(np.count_nonzero(packed < 0x80))

    def whole_numbers(self, start: int, stop: int) -> list[int]:
        """Return the packed whole numbers in `data[start:stop]`, signed."""
        packed = self.data[start:stop]
        numbers, position = [], 0
        try:
            while position < len(packed):
                number, position = _varint(packed, position)
                numbers.append(signed(number))
        except IndexError:
            raise ProtobufError(f'the number at byte {start + position} has no end') from None
        return numbers


def signed(number: int) -> int:
    """Read an unsigned 64-bit number as the signed one it stands for."""
    return number - 2**64 if number >= 2**63 else number


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, position
    raise ProtobufError(f'a number at byte {position} has no end')
