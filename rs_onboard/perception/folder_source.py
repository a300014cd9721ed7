# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of images as a source: natural order, unreadable files counted and passed over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rs_onboard.perception.encodings import decode_compressed
from rs_onboard.perception.errors import EncodingError, SourceError
from rs_onboard.perception.source import End, Failure, Reading, Shot, SourceOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')

FOLDER_RATE_HZ = 1.0


class Folder:
    """The images of a folder in natural order (2 before 10), once or in a loop."""

    live = False

    def __init__(self, target: str, options: SourceOptions) -> None:
        self.name = target
        self.period_s: float | None = 1.0 / (options.rate_hz or FOLDER_RATE_HZ)
        self.skipped = 0
        self._loop = options.loop
        self._files: list[Path] = []
        self._rest: Iterator[Path] = iter(())
        self._read_this_round = 0

    def open(self) -> None:
        """List the images, or do nothing where that is done. Raises SourceError."""
        if self._files:
            return
        self._files = image_files(Path(self.name))
        self._rest, self._read_this_round = iter(self._files), 0

    def read(self) -> Reading:
        """Read the next image that can be read; the others are counted."""
        while True:
            for path in self._rest:
                try:
                    image = decode_compressed(format='', data=path.read_bytes())
                except (EncodingError, OSError):
                    self.skipped += 1
                    continue
                self._read_this_round += 1
                return Shot(image)
            if not self._read_this_round:
                return Failure(f'{self.name}: none of its {len(self._files)} images can be read')
            if not self._loop:
                return End(f'{self.name}: end after {self._read_this_round} images')
            self._rest, self._read_this_round = iter(self._files), 0

    def close(self) -> None:
        """Forget the list."""
        self._files, self._rest = [], iter(())


def image_files(folder: Path) -> list[Path]:
    """List the images of a folder in natural order, hidden files left out. Raises SourceError."""
    try:
        files = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')
        ]
    except OSError as exc:
        raise SourceError(f'{folder}: the folder cannot be read: {exc.strerror}') from None
    if not files:
        raise SourceError(
            f'{folder}: no images in this folder; looked for *{", *".join(IMAGE_SUFFIXES)}'
        )
    return sorted(files, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort key: numbers by value, the rest as text, the exact name where these are equal."""
    parts = re.split(r'(\d+)', path.name.lower())
    key = [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]
    return key, path.name
