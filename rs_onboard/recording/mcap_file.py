# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""An MCAP file that grows by whole chunks, each on the disk before the next.

The topics stand before the first chunk, so that every prefix of the file can be read up to its last
whole chunk. What the disk refuses is taken back: the file ends with a whole chunk at every moment
between two calls. Index and footer come at the end; readers do without them where they are missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import Counter
from typing import TYPE_CHECKING

from rs_onboard.recording import records
from rs_onboard.recording.records import MAGIC, ChunkPlace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rs_onboard.recording.chunks import Chunk
    from rs_onboard.recording.records import Topic

# Name under which the reason of a recording stands in its file.
ABOUT = 'rs_onboard'


class McapFile:
    """A recording that is being written.

    Args:
        path: The file; it must not exist.
        topics: Channel n + 1 is topic n.
        about: What the recording is, kept in the file.

    Attributes:
        path: The file, also after it was renamed by `rename`.
        size: Bytes in the file.

    Raises:
        OSError: It cannot be created; nothing is left of it.
    """

    def __init__(self, path: Path, topics: Sequence[Topic], about: Mapping[str, str]) -> None:
        self.path = path
        self.size = 0
        self._places: list[ChunkPlace] = []
        self._counts: Counter[int] = Counter()
        types = list(dict.fromkeys(topic.type_name for topic in topics))
        by_type = {topic.type_name: topic for topic in topics}
        self._type_count, self._topic_count = len(types), len(topics)
        self._schemas = b''.join(
            records.schema(number, by_type[name]) for number, name in enumerate(types, 1)
        )
        self._channels = b''.join(
            records.channel(number, types.index(topic.type_name) + 1, topic)
            for number, topic in enumerate(topics, 1)
        )
        note = records.metadata(ABOUT, about)
        head = MAGIC + records.header() + self._schemas + self._channels
        self._note = records.metadata_index(len(head), len(note), ABOUT)
        self._descriptor: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        # Tells other recorders of this folder not to remove it; gone with this process.
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            self._append(head + note)
            _sync_folder(path.parent)
        except OSError:
            self._shut()
            with contextlib.suppress(OSError):
                path.unlink()
            raise

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._descriptor is None

    @property
    def empty(self) -> bool:
        """Whether it has no message."""
        return not self._places

    def write(self, chunk: Chunk) -> None:
        """Write a chunk, through to the disk.

        Raises:
            OSError: It cannot be written; the file ends with the chunk before.
        """
        if self._descriptor is not None and not os.fstat(self._descriptor).st_nlink:
            msg = f'{self.path}: was removed while it was written.'
            raise FileNotFoundError(msg)
        start = self.size
        offset = start + len(chunk.data)
        indexes = {}
        for number, index in chunk.indexes.items():
            indexes[number] = offset
            offset += len(index)
        self._append(b''.join([chunk.data, *chunk.indexes.values()]))
        self._places.append(
            ChunkPlace(
                start_ns=chunk.start_ns,
                end_ns=chunk.end_ns,
                offset=start,
                length=len(chunk.data),
                indexes=indexes,
                indexes_length=offset - start - len(chunk.data),
                compression=chunk.compression,
                packed=chunk.packed,
                unpacked=chunk.unpacked,
            )
        )
        self._counts.update(chunk.counts)

    def rename(self, path: Path) -> None:
        """Give the file another name in its folder; it may be open.

        Raises:
            OSError: It cannot be renamed.
        """
        self.path.rename(path)
        self.path = path

    def close(self) -> None:
        """Write the index and close the file; one without a message is removed.

        Raises:
            OSError: There was no room for the index; the file can be read without it.
        """
        if self._descriptor is None:
            return
        if self.empty:
            self._shut()
            self.path.unlink(missing_ok=True)
            return
        end = records.data_end()
        groups = (
            (records.SCHEMA, self._schemas),
            (records.CHANNEL, self._channels),
            (
                records.STATISTICS,
                records.statistics(self._counts, self._type_count, self._topic_count, self._places),
            ),
            (records.CHUNK_INDEX, b''.join(map(records.chunk_index, self._places))),
            (records.METADATA_INDEX, self._note),
        )
        try:
            self._append(end + records.closing(self.size + len(end), groups))
        finally:
            self._shut()

    def _append(self, data: bytes) -> None:
        """Write through to the disk, all or nothing."""
        if self._descriptor is None:
            msg = f'{self.path}: the recording is closed.'
            raise OSError(msg)
        left = memoryview(data)
        try:
            while left:
                # A disk that is nearly full takes a piece, and refuses the next.
                left = left[os.write(self._descriptor, left) :]
            os.fdatasync(self._descriptor)
        except OSError:
            self._take_back()
            raise
        self.size += len(data)

    def _take_back(self) -> None:
        """Cut the file where it was whole; where not even that can be done, write no more."""
        if self._descriptor is None:
            return
        try:
            os.ftruncate(self._descriptor, self.size)
            os.lseek(self._descriptor, self.size, os.SEEK_SET)
        except OSError:
            self._shut()

    def _shut(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def being_written(path: Path) -> bool:
    """Whether a recorder, of any process on this machine, has a recording open."""
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # A file system without locks.
        return False
    finally:
        os.close(number)
    return False


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file survive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
