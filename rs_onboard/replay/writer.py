# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2 bags in MCAP, written in small chunks that reach the disk one by one.

A chunk closes when it holds `CHUNK_BYTES` or spans `chunk_span_ns` of log time, never by the wall
clock, so the same messages give the same bytes. After a crash everything up to the last closed
chunk can be read (`rs_onboard.replay.reader` does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_mcap import McapWriter

from rs_onboard.replay.errors import BagError, UnknownTypeError
from rs_onboard.replay.typestore import make_typestore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore
    from typing_extensions import Self


class BagWriter:
    """Writer of one bag folder: `NAME/NAME.mcap` and `NAME/metadata.yaml`. Use as context manager.

    Leaving the context by an exception keeps what was written, without index and metadata.

    Args:
        path: Folder to create; it must not exist.
        store: Message definitions; the known ones (ROS 2, vision_msgs) if not given.
        notes: Text kept in the bag's metadata (`custom_data`).
        chunk_span_ns: Longest log time in one chunk, nanoseconds; None for no such limit.
        compressed: Whether chunks are compressed (zstd). JPEG images do not get smaller.
    """

    def __init__(
        self,
        path: Path,
        *,
        store: Typestore | None = None,
        notes: Mapping[str, str] | None = None,
        chunk_span_ns: int | None = None,
        compressed: bool = False,
    ) -> None:
        self.path = path
        self.store = make_typestore() if store is None else store
        self.counts: dict[str, int] = {}
        self._connections: dict[str, Connection] = {}
        self._span_ns = chunk_span_ns
        try:
            # The last version whose quality of service is text, which ROS 2 Humble reads too.
            self._writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
        except WriterError:
            msg = f'{path}: exists already and is not overwritten. Remove it or give another name.'
            raise BagError(msg) from None
        if compressed:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        for key, value in (notes or {}).items():
            self._writer.set_custom_data(key, value)

    def __enter__(self) -> Self:
        """Create folder and file."""
        self._writer.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Write index and metadata, or after an exception keep the closed chunks."""
        if exc_type is not None:
            self.flush()
        self._writer.__exit__(exc_type, exc_val, exc_tb)

    def add_topic(self, topic: str, type_name: str) -> None:
        """Announce a topic, which is then in the bag even if nothing is written to it.

        Raises:
            UnknownTypeError: The type has no known definition.
            BagError: The topic has another type already.
        """
        if (connection := self._connections.get(topic)) is not None:
            if connection.msgtype != type_name:
                msg = f'{topic}: has type {connection.msgtype}; cannot also have {type_name}.'
                raise BagError(msg)
            return
        if type_name not in self.store.fielddefs:
            msg = (
                f'{topic}: no definition of {type_name}; known are the types of ROS 2 and, where '
                'its workspace is sourced, vision_msgs. Source the workspace that defines it.'
            )
            raise UnknownTypeError(msg)
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=self.store
        )
        self.counts[topic] = 0

    def write(self, topic: str, type_name: str, cdr: bytes | memoryview, log_time_ns: int) -> None:
        """Write one message.

        Args:
            topic: Topic name; announced with its first message.
            type_name: Such as sensor_msgs/msg/Image.
            cdr: The message serialised as CDR, encapsulation header included.
            log_time_ns: Log and publish time, nanoseconds since 1970.
        """
        self.add_topic(topic, type_name)
        storage = self._storage()
        chunk = storage.chunk
        if (
            self._span_ns is not None
            and chunk.msgs
            and log_time_ns - chunk.message_start_time > self._span_ns
        ):
            self.flush()
        self._writer.write(self._connections[topic], log_time_ns, cdr)
        self.counts[topic] += 1
        if storage.chunk is not chunk:
            storage.bio.flush()

    def write_message(self, topic: str, type_name: str, message: object, log_time_ns: int) -> None:
        """Serialise a message made of the types in `store` and write it."""
        self.add_topic(topic, type_name)
        cdr = self.store.serialize_cdr(message, type_name, little_endian=True)
        self.write(topic, type_name, cdr, log_time_ns)

    def flush(self) -> None:
        """Close the pending chunk and hand it to the operating system."""
        storage = self._storage()
        if storage.chunk.msgs:
            storage.close_chunk()
        storage.bio.flush()

    def _storage(self) -> McapWriter:
        storage = self._writer.storage
        if not isinstance(storage, McapWriter):
            msg = f'{self.path}: the bag is not open; write inside the with block.'
            raise BagError(msg)
        return storage
