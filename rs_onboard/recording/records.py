# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The records of an MCAP file (https://mcap.dev/spec), as bytes.

A record is one byte of kind, eight bytes of length and the content; numbers are little-endian,
texts and maps have their length in four bytes before them.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAGIC = b'\x89MCAP0\r\n'
LIBRARY = 'rs_onboard'

HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = 0x0B, 0x0C, 0x0D, 0x0E, 0x0F

_MESSAGE_HEAD = struct.Struct('<BQHIQQ')

# Depth that publishers of ROS have where nothing else is said.
ROS_DEPTH = 10
# rmw's numbers: history, reliability, durability, liveliness.
KEEP_LAST, RELIABLE, TRANSIENT_LOCAL, VOLATILE, AUTOMATIC = 1, 1, 1, 2, 1
# rmw's infinite duration.
ENDLESS = '\n    sec: 9223372036\n    nsec: 854775807'


class Topic(NamedTuple):
    """A topic to record.

    Attributes:
        name: Resolved name.
        type_name: Such as sensor_msgs/msg/Image.
        definition: The definition of its messages and of those they are made of, as in `.msg`
            files (encoding `ros2msg`).
        latched: Whether late subscribers get what was published before.
        depth: How many messages a player of the recording should keep for its subscribers.
        remember: Makes what every recording begins with, of what was remembered before and of the
            newest message (ValueError: it cannot be); None where that is nothing.
    """

    name: str
    type_name: str
    definition: str
    latched: bool = False
    depth: int = ROS_DEPTH
    remember: Callable[[bytes | None, bytes], bytes] | None = None


class ChunkPlace(NamedTuple):
    """Where a chunk stands in the file, for the index.

    Attributes:
        start_ns: Least log time of its messages.
        end_ns: Greatest one.
        offset: Of the chunk record in the file.
        length: Of the chunk record.
        indexes: Offset of the message index of each channel.
        indexes_length: Of all message indexes.
        compression: Name of the compression, empty for none.
        packed: Size of its records as stored.
        unpacked: Size of its records.
    """

    start_ns: int
    end_ns: int
    offset: int
    length: int
    indexes: Mapping[int, int]
    indexes_length: int
    compression: str
    packed: int
    unpacked: int


def record(kind: int, content: bytes) -> bytes:
    """Frame a content."""
    return struct.pack('<BQ', kind, len(content)) + content


def text(value: str) -> bytes:
    """Write a text with its length before it."""
    data = value.encode()
    return struct.pack('<I', len(data)) + data


def text_map(values: Mapping[str, str]) -> bytes:
    """Write a map of texts with its length in bytes before it."""
    data = b''.join(text(key) + text(value) for key, value in values.items())
    return struct.pack('<I', len(data)) + data


def header() -> bytes:
    """Write the header of a ROS 2 recording."""
    return record(HEADER, text('ros2') + text(LIBRARY))


def schema(number: int, topic: Topic) -> bytes:
    """Write the definition of a topic's messages."""
    content = text(topic.type_name) + text('ros2msg') + text(topic.definition)
    return record(SCHEMA, struct.pack('<H', number) + content)


def channel(number: int, schema_number: int, topic: Topic) -> bytes:
    """Write a topic."""
    about = {'offered_qos_profiles': offered_qos(topic)}
    content = text(topic.name) + text('cdr') + text_map(about)
    return record(CHANNEL, struct.pack('<HH', number, schema_number) + content)


def offered_qos(topic: Topic) -> str:
    """Write how a player should publish a topic, as rosbag2 does (YAML).

    Policies are numbers, which rosbag2 reads in every release; names it reads from Jazzy on.
    Reliable serves subscribers of either kind.
    """
    durability = TRANSIENT_LOCAL if topic.latched else VOLATILE
    return (
        f'- history: {KEEP_LAST}\n'
        f'  depth: {topic.depth}\n'
        f'  reliability: {RELIABLE}\n'
        f'  durability: {durability}\n'
        f'  deadline:{ENDLESS}\n'
        f'  lifespan:{ENDLESS}\n'
        f'  liveliness: {AUTOMATIC}\n'
        f'  liveliness_lease_duration:{ENDLESS}\n'
        '  avoid_ros_namespace_conventions: false\n'
    )


def message_head(number: int, sequence: int, time_ns: int, size: int) -> bytes:
    """Write what stands before the `size` bytes of a serialised message of a channel."""
    return _MESSAGE_HEAD.pack(MESSAGE, 22 + size, number, sequence, time_ns, time_ns)


def metadata(name: str, values: Mapping[str, str]) -> bytes:
    """Write named texts about the recording."""
    return record(METADATA, text(name) + text_map(values))


def metadata_index(offset: int, length: int, name: str) -> bytes:
    """Write where named texts stand."""
    return record(METADATA_INDEX, struct.pack('<QQ', offset, length) + text(name))


def chunk(
    span_ns: tuple[int, int], unpacked: int, crc: int, compression: str, packed: bytes
) -> bytes:
    """Write a chunk: messages of a span of log time, perhaps compressed.

    Args:
        span_ns: Least and greatest log time.
        unpacked: Size of the records before compression.
        crc: CRC-32 of the records before compression.
        compression: `zstd`, or empty for none.
        packed: The records as stored.
    """
    content = struct.pack('<QQQI', *span_ns, unpacked, crc) + text(compression)
    return record(CHUNK, content + struct.pack('<Q', len(packed)) + packed)


def message_index(number: int, entries: Iterable[tuple[int, int]]) -> bytes:
    """Write log time and offset in the unpacked chunk of a channel's messages."""
    data = b''.join(struct.pack('<QQ', *entry) for entry in entries)
    return record(MESSAGE_INDEX, struct.pack('<HI', number, len(data)) + data)


def chunk_index(place: ChunkPlace) -> bytes:
    """Write where a chunk stands."""
    indexes = b''.join(struct.pack('<HQ', *item) for item in place.indexes.items())
    return record(
        CHUNK_INDEX,
        struct.pack('<QQQQ', place.start_ns, place.end_ns, place.offset, place.length)
        + struct.pack('<I', len(indexes))
        + indexes
        + struct.pack('<Q', place.indexes_length)
        + text(place.compression)
        + struct.pack('<QQ', place.packed, place.unpacked),
    )


def statistics(
    counts: Mapping[int, int], schemas: int, channels: int, places: Iterable[ChunkPlace]
) -> bytes:
    """Write the number of messages by channel, and what else the file has."""
    chunks = list(places)
    per_channel = b''.join(struct.pack('<HQ', *item) for item in counts.items())
    start = min((place.start_ns for place in chunks), default=0)
    end = max((place.end_ns for place in chunks), default=0)
    numbers = (sum(counts.values()), schemas, channels, 0, 1, len(chunks), start, end)
    content = struct.pack('<QHIIIIQQ', *numbers)
    return record(STATISTICS, content + struct.pack('<I', len(per_channel)) + per_channel)


def data_end() -> bytes:
    """Write the end of the messages, without a checksum over all of them."""
    return record(DATA_END, struct.pack('<I', 0))


def closing(start: int, groups: Iterable[tuple[int, bytes]]) -> bytes:
    """Write the summary, its offsets, the footer and the magic.

    Args:
        start: Offset in the file at which the summary will stand.
        groups: Kind and records, those of one kind together.
    """
    summary, offsets = b'', b''
    for kind, records in groups:
        if records:
            place = struct.pack('<BQQ', kind, start + len(summary), len(records))
            offsets += record(SUMMARY_OFFSET, place)
            summary += records
    # The checksum covers the footer up to itself.
    footer = struct.pack('<BQQQ', FOOTER, 20, start, start + len(summary))
    crc = zlib.crc32(summary + offsets + footer)
    return summary + offsets + footer + struct.pack('<I', crc) + MAGIC
