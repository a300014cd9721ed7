# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Opening a bag of any kind: what to read from, and what is wrong with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2

from rs_onboard.replay.errors import BagError, CorruptBagError
from rs_onboard.replay.salvage import SalvagedMcap

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from rosbags.interfaces import Connection

STORAGE_SUFFIXES = ('.mcap', '.db3')


class Source(Protocol):
    """One reader; those of rosbags and `SalvagedMcap` have this shape."""

    @property
    def connections(self) -> list[Connection]:
        """Topics with types and message counts."""

    def messages(
        self,
        connections: Collection[Connection] = (),
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, log time (ns) and data in time order."""

    def close(self) -> None:
        """Release the file."""


@dataclass(frozen=True)
class Opened:
    """An open bag.

    Attributes:
        sources: Where its messages come from.
        ros1: Whether the messages are in ROS 1's format.
        damage: What is wrong with the bag, empty if nothing is.
        notes: Custom data in its metadata.
    """

    sources: tuple[Source, ...]
    ros1: bool
    damage: str
    notes: Mapping[str, str]


def open_sources(path: Path) -> Opened:
    """Open a bag folder, a lone `.mcap` or `.db3` file, or a ROS 1 `.bag` file.

    A folder whose files or metadata are damaged is read file by file, and a damaged MCAP file as
    far as it goes.

    Raises:
        BagError: There is no bag at this path.
        CorruptBagError: The bag is damaged beyond reading.
    """
    if not path.exists():
        msg = f'{path}: does not exist. Give a bag folder, or a .mcap, .db3 or .bag file.'
        raise BagError(msg)
    if path.is_dir() and not (path / 'metadata.yaml').exists() and not _storage_files(path):
        msg = (
            f'{path}: holds no bag (no metadata.yaml, no {" or ".join(STORAGE_SUFFIXES)} file). '
            'Give a bag folder, or a .mcap, .db3 or .bag file.'
        )
        raise BagError(msg)
    if path.is_file() and path.suffix not in {*STORAGE_SUFFIXES, '.bag'}:
        msg = (
            f'{path}: ending {path.suffix!r} is not a bag; allowed: .mcap, .db3 (ROS 2) and .bag '
            '(ROS 1). For a compressed recording (.zstd) give its folder.'
        )
        raise BagError(msg)
    if path.suffix == '.bag' and path.is_file():
        return _open_ros1(path)
    return _open_ros2(path)


def _storage_files(path: Path) -> list[Path]:
    """List the recordings in a folder in order of name, or the file itself."""
    if path.is_file():
        return [path]
    return sorted(x for x in path.iterdir() if x.suffix in STORAGE_SUFFIXES)


def _open_ros1(path: Path) -> Opened:
    reader = Reader1(path)
    try:
        reader.open()
    except PermissionError:
        raise
    except Exception as exc:
        msg = (
            f'{path}: cannot be read ({exc}). A recording that was cut off can be repaired by '
            '`rosbag reindex` (ROS 1) or `rosbags-convert`.'
        )
        raise CorruptBagError(msg) from exc
    return Opened((reader,), ros1=True, damage='', notes={})


def _open_ros2(path: Path) -> Opened:
    failure: Exception | None = None
    if path.is_file() or (path / 'metadata.yaml').exists():
        reader = Reader2(path)
        try:
            reader.open()
        except PermissionError:
            raise
        except Exception as exc:  # noqa: BLE001 any failure means: try the files one by one
            failure = exc
        else:
            return Opened((reader,), ros1=False, damage='', notes=_notes(reader))
    damages = [] if failure is None or path.is_file() else [str(failure).rstrip('.')]
    sources: list[Source] = []
    for file in _storage_files(path):
        source, damage = _open_file(file)
        sources += [] if source is None else [source]
        damages += [damage] if damage else []
    if not any(x.msgcount for y in sources for x in y.connections):
        reason = '; '.join(dict.fromkeys(damages)) or 'it holds no messages'
        msg = f'{path}: nothing can be read: {reason}. Copy it again from the recorder.'
        raise CorruptBagError(msg)
    return Opened(tuple(sources), ros1=False, damage='; '.join(dict.fromkeys(damages)), notes={})


def _open_file(file: Path) -> tuple[Source | None, str]:
    """Open one recording, salvaging what can be; return reader and damage."""
    reader = Reader2(file)
    try:
        reader.open()
    except PermissionError:
        raise
    except Exception as exc:  # noqa: BLE001 rosbags lets the errors of several decoders through
        if file.suffix != '.mcap':
            return None, f'{file.name}: {exc}'.rstrip('.')
    else:
        return reader, ''
    try:
        salvaged = SalvagedMcap(file)
    except CorruptBagError as exc:
        return None, str(exc).removesuffix('Copy it again.').strip(' .')
    return salvaged, f'{file.name}: {salvaged.damage or "its index is damaged"}'


def _notes(reader: Reader2) -> dict[str, str]:
    found: dict[str, str] = {}
    with suppress(AttributeError, TypeError):
        custom = reader.storage.metadata.custom or {}
        found = {str(x): str(y) for x, y in custom.items()}
    return found
