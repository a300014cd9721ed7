# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Reading bags: ROS 2 (MCAP and sqlite3, compressed too) and ROS 1, through rosbags."""

from __future__ import annotations

import heapq
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rosbags.serde import SerdeError

from rs_onboard.replay.errors import BagError, CorruptBagError, MissingTopicError, UnknownTypeError
from rs_onboard.replay.sources import open_sources
from rs_onboard.replay.typestore import make_typestore, parse_definition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from rosbags.interfaces import Connection
    from rosbags.interfaces.typing import Typesdict
    from rosbags.typesys.store import Typestore
    from typing_extensions import Self


HEADER = 'std_msgs/msg/Header'
_S = 1_000_000_000


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag.

    Attributes:
        topic: Topic name.
        type_name: Such as sensor_msgs/msg/Image, also for ROS 1 bags.
        log_time_ns: When it was recorded, nanoseconds since 1970.
        stamp_ns: Stamp of its header, None for messages without one.
        cdr: The message serialised as CDR, as rclpy publishes it.
    """

    topic: str
    type_name: str
    log_time_ns: int
    stamp_ns: int | None
    cdr: bytes


@dataclass(frozen=True)
class TopicSummary:
    """One topic of a bag; `problem` says why it cannot be decoded and is empty if it can."""

    name: str
    type_name: str
    count: int
    problem: str = ''


@dataclass
class ReadReport:
    """What was met in one pass through a bag.

    Attributes:
        read: Messages yielded, by topic.
        backward: Messages whose stamp (log time where there is none) is before that of the
            message before, by topic. They are yielded all the same.
        malformed: Messages of ROS 1 bags left out because their bytes are not of their type.
        damage: What is wrong with the bag, empty if nothing is.
    """

    read: Counter[str] = field(default_factory=Counter)
    backward: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    damage: str = ''


class Bag:
    """An open bag. Use as context manager.

    Args:
        path: Bag folder, `.mcap` or `.db3` file (ROS 2), `.bag` file (ROS 1).

    Attributes:
        topics: Topics by name.
        notes: Custom data of its metadata.
        report: What was met in the pass begun last.
        store: Definitions of the messages in the bag.

    Raises:
        BagError: There is no bag at this path.
        CorruptBagError: The bag is damaged beyond reading.
    """

    def __init__(self, path: Path) -> None:
        opened = open_sources(path)
        self.path = path
        self.notes = opened.notes
        self._damage = opened.damage
        self.report = ReadReport(damage=opened.damage)
        self._sources = opened.sources
        self._ros1 = opened.ros1
        self.topics: dict[str, TopicSummary] = {}
        self.store = self._load_types()

    def __enter__(self) -> Self:
        """Return the open bag."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Close the files."""
        for source in self._sources:
            source.close()

    def topics_of(self, types: Collection[str]) -> list[str]:
        """List the topics of some types that have messages, by name."""
        return sorted(x.name for x in self.topics.values() if x.type_name in types and x.count)

    def require(self, needed: Mapping[str, str]) -> None:
        """Check that topics are there, have messages, and can be decoded.

        Args:
            needed: Topic by the name of the parameter that sets it.

        Raises:
            MissingTopicError: A topic is missing; the message lists what is there.
            UnknownTypeError: The type of a topic is unknown.
        """
        for parameter, topic in needed.items():
            summary = self.topics.get(topic)
            if summary is None or not summary.count:
                held = ', '.join(
                    f'{x.name} ({x.type_name}, {x.count})' for x in self.topics.values() if x.count
                )
                msg = (
                    f'{self.path}: no messages on {topic!r}; it holds: {held or "nothing"}. '
                    f'Set the parameter {parameter!r} to one of these.'
                )
                raise MissingTopicError(msg)
            if summary.problem:
                msg = f'{self.path}: {topic}: {summary.problem}'
                raise UnknownTypeError(msg)

    def messages(
        self,
        topics: Collection[str] = (),
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        strict: bool = True,
    ) -> Iterator[BagMessage]:
        """Yield messages in order of log time.

        Args:
            topics: Topics wanted; all if empty.
            start_ns: First log time wanted.
            stop_ns: First log time no longer wanted.
            strict: Whether damage is raised after everything readable was yielded; if not, it is
                left in `report.damage`.

        Raises:
            CorruptBagError: The bag is truncated or damaged.
            MissingTopicError: A topic wanted is not in the bag.
        """
        for topic in topics:
            if topic not in self.topics:
                self.require({'topics': topic})
        report = self.report = ReadReport(damage=self._damage)
        streams = []
        for source in self._sources:
            wanted = [x for x in source.connections if not topics or x.topic in topics]
            if wanted:
                streams.append(_until_damage(source.messages(wanted, start_ns, stop_ns), report))
        last: dict[str, int] = {}
        for connection, time, data in heapq.merge(*streams, key=lambda x: x[1]):
            message = self._message(connection, time, data)
            if message is None:
                report.malformed[connection.topic] += 1
                continue
            moment = time if message.stamp_ns is None else message.stamp_ns
            if moment < last.get(message.topic, moment):
                report.backward[message.topic] += 1
            report.read[message.topic] += 1
            last[message.topic] = moment
            yield message
        if strict and report.damage:
            raise self.damage_error()

    def damage_error(self) -> CorruptBagError:
        """Return the error that says what is wrong and how much was read."""
        msg = (
            f'{self.path}: {self.report.damage}; {self.report.read.total()} messages before the '
            'damage were read. Copy the bag again, or go on with these.'
        )
        return CorruptBagError(msg)

    def decode(self, message: BagMessage) -> object:
        """Decode a message into an object with the fields of its type.

        Raises:
            UnknownTypeError: The type is unknown.
            BagError: The bytes are not a message of this type.
        """
        if message.type_name not in self.store.fielddefs:
            msg = f'{self.path}: {message.topic}: {self.topics[message.topic].problem}'
            raise UnknownTypeError(msg)
        try:
            return self.store.deserialize_cdr(message.cdr, message.type_name)
        except (SerdeError, KeyError, IndexError, MemoryError) as exc:
            msg = (
                f'{self.path}: {message.topic}: the message at {message.log_time_ns} ns is not a '
                f'{message.type_name} ({exc}). It is damaged, or its definition is another one.'
            )
            raise BagError(msg) from None

    def _load_types(self) -> Typestore:
        """Parse the definitions in the bag and summarise its topics."""
        types: Typesdict = {}
        problems: dict[str, str] = {}
        connections = [x for y in self._sources for x in y.connections]
        for connection in connections:
            if connection.msgtype not in types and connection.msgtype not in problems:
                try:
                    types.update(parse_definition(connection.msgtype, connection.msgdef))
                except UnknownTypeError as exc:
                    problems[connection.msgtype] = str(exc)
        if self._ros1:
            # ROS 1's header has a number (seq) in front that CDR has not; rosbags passes over it.
            types.pop(HEADER, None)
        store = make_typestore(types)
        for connection in connections:
            name, kind = connection.topic, connection.msgtype
            problem = '' if kind in store.fielddefs else problems.get(kind) or _no_definition(kind)
            before = self.topics.get(name)
            count = connection.msgcount + (before.count if before else 0)
            self.topics[name] = TopicSummary(name, kind, count, problem)
        self.topics = dict(sorted(self.topics.items()))
        self._stamped = {
            x for x, (_, fields) in store.fielddefs.items() if fields and fields[0][1][1] == HEADER
        }
        return store

    def _message(self, connection: Connection, time: int, data: bytes) -> BagMessage | None:
        kind = connection.msgtype
        if self._ros1 and kind in self.store.fielddefs:
            try:
                data = bytes(self.store.ros1_to_cdr(data, kind))
            except (SerdeError, AssertionError, IndexError):
                return None
        stamp = None
        if kind in self._stamped and len(data) >= 12:
            stamp = stamp_in(data)
        return BagMessage(connection.topic, kind, time, stamp, data)


def _until_damage(
    stream: Iterator[tuple[Connection, int, bytes]], report: ReadReport
) -> Iterator[tuple[Connection, int, bytes]]:
    """Yield what a source yields; where it fails, say so in the report and end."""
    while True:
        try:
            item = next(stream)
        except StopIteration:
            return
        except Exception as exc:  # noqa: BLE001 the decoders of four formats raise their own
            report.damage = f'reading stopped ({exc})'
            return
        yield item


def _no_definition(type_name: str) -> str:
    return (
        f'the definition of {type_name} is neither in the bag nor among the known ones. Record in '
        'MCAP, which keeps definitions, or source the workspace that defines it.'
    )


def stamp_in(cdr: bytes) -> int:
    """Read the header stamp, nanoseconds, of a serialised message that starts with a header."""
    sec, nanosec = struct.unpack_from('<iI' if cdr[1] & 1 else '>iI', cdr, 4)
    return int(sec) * _S + int(nanosec)


def with_stamp(cdr: bytes, stamp_ns: int) -> bytes:
    """Return a serialised message that starts with a header, with another stamp in it."""
    changed = bytearray(cdr)
    order = '<iI' if cdr[1] & 1 else '>iI'
    struct.pack_into(order, changed, 4, stamp_ns // _S, stamp_ns % _S)
    return bytes(changed)
