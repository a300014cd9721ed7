# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""How much of the disk recordings may take: in bytes, in percent, and for how long.

Room is made by removing the oldest recordings that are not protected, and none is removed where all
of them together would not make enough. Only files with names of ours are ever touched.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.recording.mcap_file import being_written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

# 20261120T061530.123Z_detection.mcap; with `.keep` it is protected. Stamps of a clock that was
# never set, or of a simulation, are seconds: t0000012.345_service.mcap.
PATTERN = re.compile(r'(\d{8}T\d{6}\.\d{3}Z|t\d{7,}\.\d{3})_[a-z0-9]+(-\d+)?(\.keep)?\.mcap')
KEEP = '.keep.mcap'
YEAR_2000_NS = 946_684_800 * 1_000_000_000

DAY_S = 86400.0
MB = 1_000_000


class DiskSpace(NamedTuple):
    """Size and free space of a disk [bytes], as a user without privileges may use it."""

    total: int
    free: int


@dataclass(frozen=True)
class DiskLimits:
    """What recordings may take.

    Attributes:
        budget_bytes: All recordings together.
        keep_free_percent: Of the disk, left free for everything else.
        keep_days: Age at which recordings that are not protected are removed; 0 for never.
    """

    budget_bytes: int
    keep_free_percent: float
    keep_days: float = 0.0


class Recording(NamedTuple):
    """A recording on the disk."""

    path: Path
    size: int
    changed_s: float


def removable(item: Recording, busy: Collection[Path]) -> bool:
    """Whether a recording may be removed: it is neither protected nor being written."""
    return item.path not in busy and not item.path.name.endswith(KEEP)


def recording_name(time_ns: int, kind: str, *, keep: bool) -> str:
    """Name the file of a recording.

    Args:
        time_ns: Its first moment, node clock.
        kind: Why it was made: lower-case letters and digits.
        keep: Whether it is protected.
    """
    if time_ns < YEAR_2000_NS:
        moment = f't{time_ns / 1e9:011.3f}'
    else:
        seconds, rest = divmod(time_ns, 1_000_000_000)
        day = datetime.fromtimestamp(seconds, timezone.utc)
        moment = f'{day:%Y%m%dT%H%M%S}.{rest // 1_000_000:03d}Z'
    return f'{moment}_{kind}' + (KEEP if keep else '.mcap')


def protected_path(path: Path) -> Path:
    """Return the path of a recording once it is protected."""
    return path if path.name.endswith(KEEP) else path.with_suffix(KEEP)


def free_path(folder: Path, time_ns: int, kind: str, *, keep: bool) -> Path:
    """Return a path for a recording at which there is none, protected or not."""
    number = 1
    while True:
        path = folder / recording_name(
            time_ns, kind if number == 1 else f'{kind}-{number}', keep=keep
        )
        plain = path.name.removesuffix(KEEP).removesuffix('.mcap')
        if not any((folder / f'{plain}{end}').exists() for end in ('.mcap', KEEP)):
            return path
        number += 1


def disk_space(folder: Path) -> DiskSpace:
    """Ask the disk of a folder.

    Raises:
        OSError: The folder cannot be reached.
    """
    found = os.statvfs(folder)
    return DiskSpace(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class DiskBudget:
    """Keeps the recordings of a folder within limits.

    Args:
        folder: Where they are.
        limits: What they may take.
        space: Asks the disk; given by tests.

    Attributes:
        removed: Recordings removed so far.
    """

    def __init__(
        self,
        folder: Path,
        limits: DiskLimits,
        *,
        space: Callable[[Path], DiskSpace] = disk_space,
    ) -> None:
        self.folder = folder
        self.limits = limits
        self.removed = 0
        self._space = space

    def recordings(self) -> list[Recording]:
        """List the recordings, the oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if PATTERN.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    path = self.folder / entry.name
                    found.append(Recording(path, stat.st_size, stat.st_mtime))
        return sorted(found, key=lambda item: (item.changed_s, item.path.name))

    def make_room(self, needed: int, busy: Collection[Path] = ()) -> str:
        """Remove old recordings until some bytes fit; say why they do not, empty if they do.

        Args:
            needed: Bytes about to be written.
            busy: Recordings that are being written.

        Raises:
            OSError: The folder cannot be reached.
        """
        held, excess, refusal = self._lack(needed, busy)
        if excess > 0 and not refusal:
            self._remove([item for item in held if removable(item, busy)], excess)
        return refusal

    def trouble(self, needed: int) -> str:
        """Say why some bytes would not fit, whatever were removed; removes nothing.

        Raises:
            OSError: The folder cannot be reached.
        """
        return self._lack(needed, ())[2]

    def _lack(self, needed: int, busy: Collection[Path]) -> tuple[list[Recording], int, str]:
        """Return the recordings, the bytes that are missing, why they cannot be had."""
        limits, space, held = self.limits, self._space(self.folder), self.recordings()
        used = sum(item.size for item in held)
        over = used + needed - limits.budget_bytes
        reserve = int(space.total * limits.keep_free_percent / 100.0)
        short = reserve + needed - space.free
        excess = max(over, short)
        if excess <= sum(item.size for item in held if removable(item, busy)):
            return held, excess, ''
        # To remove all of them would not help.
        return held, excess, self._refusal(used, space, over=over > 0)

    def expire(self, now_s: float, busy: Collection[Path] = ()) -> None:
        """Remove recordings that are older than they may be and not protected.

        Args:
            now_s: Time of day [s since 1970].
            busy: Recordings that are being written.

        Raises:
            OSError: The folder cannot be reached.
        """
        if not self.limits.keep_days:
            return
        limit = now_s - self.limits.keep_days * DAY_S
        for item in self.recordings():
            if item.changed_s < limit and removable(item, busy):
                self._remove([item], 1)

    def _remove(self, oldest_first: Collection[Recording], excess: int) -> None:
        for item in oldest_first:
            if excess <= 0:
                break
            if being_written(item.path):
                continue
            item.path.unlink(missing_ok=True)
            self.removed += 1
            excess -= item.size

    def _refusal(self, used: int, space: DiskSpace, *, over: bool) -> str:
        limits = self.limits
        if over:
            return (
                f'recordings take {used / MB:.0f} MB of record.budget_mb '
                f'{limits.budget_bytes / MB:.0f}, and what is not protected is too little to '
                'remove. Move protected recordings (.keep.mcap) away or raise the budget.'
            )
        free = 100.0 * space.free / space.total if space.total else 0.0
        return (
            f'{free:.1f} % of the disk of {self.folder} is free; record.keep_free_percent wants '
            f'{limits.keep_free_percent:g}, and what is not protected is too little to remove. '
            'Make room on the disk.'
        )
