# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Result files on a disk that may fill up, fail or be pulled out, and come back."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from rs_onboard.perception.features import record_features
from rs_onboard.perception.geopackage import GeoPackage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rs_onboard.perception.frame_results import FrameResults


class ResultFiles:
    """Writes `results.jsonl`, `results.geojson` and `results.gpkg`, readable after every frame.

    Files of an earlier flight are kept under a number: `results.1.jsonl` is the oldest.

    Raises:
        OSError: The folder or a file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        lines, features = folder / 'results.jsonl', folder / 'results.geojson'
        package = folder / 'results.gpkg'
        # A crash leaves the log of a GeoPackage beside it, without which it lacks the last frames.
        logs = [package.with_suffix(f'.gpkg-{end}') for end in ('wal', 'shm', 'journal')]
        set_aside(lines, features, package, *logs)
        self._lines = GrowingFile(lines)
        self._features = GrowingFile(
            features, b'{"type": "FeatureCollection", "features": [\n', b',\n', b'\n]}\n'
        )
        self._package = GeoPackage(package)

    def write(self, results: FrameResults) -> None:
        """Append a frame.

        Raises:
            OSError: A file cannot be written. All are as they were, less this frame, and a later
                call may find them writable again.
        """
        self._append(results.record, results.collection['features'])

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Append the record of a frame.

        Raises:
            OSError: As in `write`.
        """
        self._append(record, record_features(record))

    def _append(self, record: Mapping[str, Any], features: Sequence[dict[str, Any]]) -> None:
        line = json.dumps(record).encode() + b'\n'
        written: list[GrowingFile] = []
        try:
            self._lines.append(line)
            written.append(self._lines)
            self._features.append(b',\n'.join(json.dumps(item).encode() for item in features))
            written.append(self._features)
            self._package.append(features)
        except OSError:
            for file in written:
                file.take_back()
            raise

    def close(self) -> None:
        """Close all files."""
        self._lines.close()
        self._features.close()
        self._package.close()


class GrowingFile:
    """A file that is whole after every append, also after one that failed.

    Args:
        path: The file; overwritten.
        head: What it begins with.
        between: What separates its parts.
        tail: What it ends with; each part overwrites it and writes it again.
    """

    def __init__(
        self, path: Path, head: bytes = b'', between: bytes = b'', tail: bytes = b''
    ) -> None:
        self._path = path
        self._head = head
        self._between = between
        self._tail = tail
        self._file: BinaryIO | None = None
        # Where the parts end, now and before the last one.
        self._end = 0
        self._end_before = 0
        self._open()

    def append(self, part: bytes) -> None:
        """Append a part before the tail.

        Raises:
            OSError: It cannot be written; the file is as it was.
        """
        try:
            if self._file is None:
                self._open()
            data = self._between + part if self._end > len(self._head) else part
            self._write(data)
        except OSError:
            self._restore()
            raise
        self._end_before, self._end = self._end, self._end + len(data)

    def take_back(self) -> None:
        """Undo the last append."""
        self._end = self._end_before
        self._restore()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            # A disk that is gone has nothing to save any more.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _open(self) -> None:
        """Open the file; start it anew where it is not the one that was left."""
        number = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        # Unbuffered, so that what cannot be written is known now and not at the next frame.
        self._file = cast('BinaryIO', os.fdopen(number, 'r+b', buffering=0))
        size = os.fstat(number).st_size
        if not self._end or size < self._end + len(self._tail):
            self._end = 0
            if size:
                self._file.truncate()
            self._write(self._head)
            self._end = len(self._head)

    def _write(self, part: bytes) -> None:
        assert self._file is not None
        self._file.seek(self._end)
        data = memoryview(part + self._tail)
        while data:
            # A disk that is nearly full takes a piece, and refuses the next.
            data = data[self._file.write(data) :]

    def _restore(self) -> None:
        """Make the file what it was, as far as the disk lets us, and open it again next time."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._write(b'')
            with contextlib.suppress(OSError):
                self._file.truncate(self._end + len(self._tail))
        self.close()


def set_aside(*paths: Path) -> None:
    """Rename files that hold something, all to the same first number that is free."""
    if not any(path.is_file() and path.stat().st_size for path in paths):
        return
    for number in itertools.count(1):
        aside = [path.with_suffix(f'.{number}{path.suffix}') for path in paths]
        if not any(path.exists() for path in aside):
            break
    for path, kept in zip(paths, aside, strict=True):
        if path.is_file():
            path.rename(kept)
