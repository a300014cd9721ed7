# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Chunks: the pieces in which messages wait in memory and reach the disk, each whole in itself."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.recording.records import chunk, message_head, message_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A chunk closes at this size or after this time. What a power cut takes is the open chunk, and what
# a ring forgets it forgets by the chunk; smaller ones cost more calls of the disk.
CHUNK_BYTES = 1 << 20
CHUNK_S = 1.0


@dataclass(frozen=True)
class Chunk:
    """A closed chunk.

    Attributes:
        data: The chunk record as it goes into a file.
        indexes: Message index records by channel.
        counts: Messages by channel.
        start_ns: Least log time.
        end_ns: Greatest log time.
        compression: Of the records inside, empty for none.
        packed: Size of the records as stored.
        unpacked: Size of the records.
    """

    data: bytes
    indexes: Mapping[int, bytes]
    counts: Mapping[int, int]
    start_ns: int
    end_ns: int
    compression: str
    packed: int
    unpacked: int

    @property
    def messages(self) -> int:
        """Number of messages."""
        return sum(self.counts.values())

    @property
    def size(self) -> int:
        """Bytes in a file."""
        return len(self.data) + sum(map(len, self.indexes.values()))


class ChunkBuilder:
    """Collects messages into chunks.

    Args:
        compress: Makes one zstd frame of bytes; None stores them as they are.
    """

    def __init__(self, compress: Callable[[bytes], bytes] | None = None) -> None:
        self._compress = compress
        self._sequences: Counter[int] = Counter()
        self._clear()

    @property
    def messages(self) -> int:
        """Messages in the open chunk."""
        return sum(map(len, self._entries.values()))

    def _clear(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._entries: dict[int, list[tuple[int, int]]] = {}
        self.opened_s: float | None = None

    def add(self, number: int, time_ns: int, cdr: bytes, now_s: float = 0.0) -> bool:
        """Add a message; returns whether the chunk is large enough to be closed.

        Args:
            number: Its channel.
            time_ns: Log time.
            cdr: The message, serialised.
            now_s: Steady clock.
        """
        if self.opened_s is None:
            self.opened_s = now_s
        self._entries.setdefault(number, []).append((time_ns, self._size))
        # The number of a message has four bytes in the file.
        sequence = self._sequences[number] & 0xFFFFFFFF
        head = message_head(number, sequence, time_ns, len(cdr))
        self._sequences[number] += 1
        self._parts += (head, cdr)
        self._size += len(head) + len(cdr)
        return self._size >= CHUNK_BYTES

    def due(self, now_s: float) -> bool:
        """Return whether the open chunk has waited for `CHUNK_S`."""
        return self.opened_s is not None and now_s - self.opened_s >= CHUNK_S

    def close(self) -> Chunk | None:
        """Close the open chunk; None where it has no message."""
        if not self._entries:
            return None
        records = b''.join(self._parts)
        packed, compression = records, ''
        if self._compress is not None:
            packed, compression = self._compress(records), 'zstd'
        times = [time for entries in self._entries.values() for time, _ in entries]
        span = min(times), max(times)
        entries = {number: sorted(found) for number, found in sorted(self._entries.items())}
        closed = Chunk(
            data=chunk(span, len(records), zlib.crc32(records), compression, packed),
            indexes={number: message_index(number, found) for number, found in entries.items()},
            counts={number: len(found) for number, found in entries.items()},
            start_ns=span[0],
            end_ns=span[1],
            compression=compression,
            packed=len(packed),
            unpacked=len(records),
        )
        self._clear()
        return closed
