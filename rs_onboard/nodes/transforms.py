# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Static transforms put together: what many messages of /tf_static said, as one message.

Every broadcaster latches a message of its own, and a recording that is triggered later has to begin
with all of them. Read and written as bytes, since a recorder knows its messages only serialised.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from rs_onboard.geo.rotation import is_unit

# A thousand frames and more; whoever sends more sends them without end. It has to fit into what a
# recording reserves of the disk beside a chunk.
MOST_BYTES = 1 << 17


class _Transform(NamedTuple):
    """A geometry_msgs/TransformStamped: seconds, nanoseconds, names, translation and rotation."""

    stamp: tuple[int, int]
    parent: str
    child: str
    values: tuple[float, ...]


def merged_transforms(before: bytes | None, cdr: bytes) -> bytes:
    """Return a message with the transforms of what was said before and of another message.

    A frame that is told again is where it is told last; what is neither a place nor a turn is left
    out, as the graph does.

    Args:
        before: What this function returned before; None at first.
        cdr: A tf2_msgs/TFMessage, serialised (CDR, of either byte order).

    Raises:
        ValueError: The bytes are no such message, or all frames together are too many.
    """
    if before == cdr:
        return cdr
    told = [*([] if before is None else _read(before)), *filter(_sound, _read(cdr))]
    found = _written({item.child.lstrip('/'): item for item in told})
    if len(found) > MOST_BYTES:
        msg = f'found {len(found)} bytes of static transforms; expected at most {MOST_BYTES}.'
        raise ValueError(msg)
    return found


def _sound(item: _Transform) -> bool:
    x, y, z, w = item.values[3:]
    return all(map(math.isfinite, item.values[:3])) and is_unit((x, y, z, w))


class _Reader:
    """Reads CDR; numbers are aligned to their size, counted from behind the encapsulation."""

    def __init__(self, cdr: bytes) -> None:
        if len(cdr) < 4 or cdr[0] or cdr[1] > 1:
            msg = f'found a message that begins with {cdr[:4].hex()}; expected CDR (0000 or 0001).'
            raise ValueError(msg)
        self._order = '<' if cdr[1] else '>'
        self._data = cdr[4:]
        self._at = 0

    def numbers(self, form: str) -> tuple[float, ...]:
        size = struct.calcsize(f'<{form[-1]}')
        start = self._at + -self._at % size
        found = struct.unpack_from(self._order + form, self._data, start)
        self._at = start + struct.calcsize(f'<{form}')
        return found

    def text(self) -> str:
        (size,) = self.numbers('I')
        end = self._at + int(size)
        if end > len(self._data):
            msg = f'text of {size} bytes'
            raise struct.error(msg)
        found = self._data[self._at : end]
        self._at = end
        return found.removesuffix(b'\0').decode()


def _read(cdr: bytes) -> list[_Transform]:
    reader, found = _Reader(cdr), []
    try:
        (count,) = reader.numbers('I')
        for _ in range(int(count)):
            (seconds,), (nanoseconds,) = reader.numbers('i'), reader.numbers('I')
            names = reader.text(), reader.text()
            found.append(_Transform((int(seconds), int(nanoseconds)), *names, reader.numbers('7d')))
    except (struct.error, UnicodeDecodeError) as exc:
        msg = f'found {len(cdr)} bytes that are no tf2_msgs/msg/TFMessage ({exc}).'
        raise ValueError(msg) from None
    return found


def _written(transforms: dict[str, _Transform]) -> bytes:
    data = bytearray(struct.pack('<I', len(transforms)))
    for item in transforms.values():
        _align(data, 4)
        data += struct.pack('<iI', *item.stamp)
        for name in (item.parent.encode(), item.child.encode()):
            _align(data, 4)
            data += struct.pack('<I', len(name) + 1) + name + b'\0'
        _align(data, 8)
        data += struct.pack('<7d', *item.values)
    return b'\0\1\0\0' + bytes(data)


def _align(data: bytearray, size: int) -> None:
    data += bytes(-len(data) % size)
