# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is left of a truncated or damaged MCAP file.

An MCAP file is a row of records (one byte of kind, eight of length, content), most of them chunks
of messages; the index comes last, so a recorder that lost power leaves none. Here the records are
walked from the start. A damaged chunk is passed over, an unfinished one is read as far as it goes,
and `damage` says what was wrong.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag2.storage_mcap import decompress

from rs_onboard.replay.errors import CorruptBagError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MAGIC = b'\x89MCAP0\r\n'
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F
_FORMATS = {
    'ros2msg': MessageDefinitionFormat.MSG,
    'ros2idl': MessageDefinitionFormat.IDL,
    'omgidl': MessageDefinitionFormat.IDL,
}


class _Record(NamedTuple):
    kind: int
    content: memoryview
    complete: bool


class SalvagedMcap:
    """Reader of the sound part of an MCAP file, in the shape of rosbags' storage readers.

    Args:
        path: The file.

    Raises:
        CorruptBagError: It is no MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ''
        self.connections: list[Connection] = []
        self._schemas: dict[int, tuple[str, MessageDefinition]] = {}
        with path.open('rb') as file:
            magic = file.read(len(MAGIC))
        if magic != MAGIC:
            msg = (
                f'{path}: is no MCAP file: it starts with {magic.hex() or "nothing"}, not '
                f'{MAGIC.hex()}. Copy it again.'
            )
            raise CorruptBagError(msg)
        counts: dict[int, int] = {}
        for channel, _, _ in self._scan():
            counts[channel] = counts.get(channel, 0) + 1
        self.connections = [x._replace(msgcount=counts.get(x.id, 0)) for x in self.connections]

    def messages(
        self,
        connections: Collection[Connection] = (),
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, log time (ns) and data, in time order within each chunk."""
        wanted = {x.id: x for x in connections or self.connections}
        for channel, time, data in self._scan():
            if (
                channel in wanted
                and (start is None or time >= start)
                and (stop is None or time < stop)
            ):
                yield wanted[channel], time, bytes(data)

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""

    def _scan(self) -> Iterator[tuple[int, int, memoryview]]:
        """Yield channel, log time and data of all messages that can be read."""
        complete = False
        for record in self._records():
            if record.kind == _CHUNK:
                yield from self._chunk(record)
            elif record.kind in {_DATA_END, _FOOTER}:
                complete = True
                break
            elif record.complete:
                yield from self._single(record)
        if not complete and not self.damage:
            self.damage = 'it ends before its index was written'

    def _records(self) -> Iterator[_Record]:
        """Yield the records of the file, the last one perhaps incomplete."""
        with self.path.open('rb') as file:
            file.seek(len(MAGIC))
            size = self.path.stat().st_size
            while len(head := file.read(9)) == 9:
                kind, length = struct.unpack('<BQ', head)
                left = size - file.tell()
                content = file.read(min(length, left))
                yield _Record(kind, memoryview(content), length <= left)

    def _chunk(self, record: _Record) -> Iterator[tuple[int, int, memoryview]]:
        content = record.content
        if len(content) < 32:
            return
        size, crc, letters = struct.unpack_from('<QII', content, 16)
        start = 32 + letters + 8
        if start > len(content):
            return
        compression = bytes(content[32 : 32 + letters]).decode('ascii', 'replace')
        data = content[start:]
        if record.complete:
            try:
                data = memoryview(decompress(bytes(data), compression, size, crc))
            except Exception as exc:  # noqa: BLE001 whatever a decoder says, the chunk is lost
                self.damage = f'a chunk is damaged ({exc})'
                return
        elif compression:
            self.damage = 'it ends within a compressed chunk'
            return
        messages: list[tuple[int, int, memoryview]] = []
        pos = 0
        while pos + 9 <= len(data):
            kind, length = struct.unpack_from('<BQ', data, pos)
            body = data[pos + 9 : pos + 9 + length]
            if len(body) < length:
                break
            messages += self._single(_Record(kind, body, complete=True))
            pos += 9 + length
        yield from sorted(messages, key=lambda x: x[1])

    def _single(self, record: _Record) -> Iterator[tuple[int, int, memoryview]]:
        """Yield a message, or remember a schema or channel."""
        content = record.content
        try:
            if record.kind == _MESSAGE:
                channel, _, time, _ = struct.unpack_from('<HIQQ', content)
                yield channel, time, content[22:]
            elif record.kind == _SCHEMA:
                (key,) = struct.unpack_from('<H', content)
                name, encoding, text = _strings(content, 2, 3)
                kind = _FORMATS.get(encoding, MessageDefinitionFormat.NONE)
                self._schemas[key] = name, MessageDefinition(kind, text)
            elif record.kind == _CHANNEL:
                self._add_channel(content)
        except (struct.error, UnicodeDecodeError) as exc:
            self.damage = f'a record is damaged ({exc})'

    def _add_channel(self, content: memoryview) -> None:
        key, schema = struct.unpack_from('<HH', content)
        topic, encoding = _strings(content, 4, 2)
        none = MessageDefinition(MessageDefinitionFormat.NONE, '')
        name, definition = self._schemas.get(schema, ('unknown', none))
        if all(x.id != key for x in self.connections):
            ext = ConnectionExtRosbag2(encoding, [])
            self.connections.append(Connection(key, topic, name, definition, '', 0, ext, self))


def _strings(content: memoryview, pos: int, count: int) -> list[str]:
    """Read texts that each follow their 32-bit length."""
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from('<I', content, pos)
        text = bytes(content[pos + 4 : pos + 4 + length])
        if len(text) < length:
            msg = f'text of {length} bytes in a record of {len(content)}'
            raise struct.error(msg)
        found.append(text.decode())
        pos += 4 + length
    return found
