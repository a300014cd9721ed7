# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Files of the kernel: what is missing is fine, what is malformed is a counted error."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path

# Longest file read; /proc/stat of a machine with many cores is the largest of them.
MAX_BYTES = 64 * 1024

# What the kernel answers for a sensor that is switched off (the GPU's of a Jetson at rest), and for
# a device that was just unplugged.
ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.EAGAIN})


class KernelFiles:
    """Reads small files below a root.

    Args:
        root: Where `sys` and `proc` are; another one than `/` in tests.

    Attributes:
        errors: Readings that were malformed or refused, counted by file.
        last_error: What was wrong with the last of them; empty without one.
    """

    def __init__(self, root: Path = Path('/')) -> None:
        self.root = root
        self.errors: Counter[str] = Counter()
        self.last_error = ''

    def find(self, pattern: str) -> list[Path]:
        """Return the paths below the root that match a pattern, in the order of their numbers."""
        try:
            return sorted(self.root.glob(pattern), key=lambda path: (len(path.name), path.name))
        except OSError:
            return []

    def text(self, path: Path) -> str | None:
        """Return the content without surrounding space, None where there is none."""
        try:
            with path.open('rb') as file:
                content = file.read(MAX_BYTES)
        except OSError as exc:
            if exc.errno not in ABSENT:
                self.refuse(path, f'{exc.strerror or exc}')
            return None
        return content.decode('utf-8', 'replace').strip(' \n\t\x00')

    def number(self, path: Path, *, base: int = 10, low: int = 0, high: int = 2**63) -> int | None:
        """Return a whole number within bounds, None where there is none.

        Args:
            path: The file.
            base: Base of its digits.
            low: Least number that can be true.
            high: Greatest number that can be true.
        """
        text = self.text(path)
        if text is None:
            return None
        try:
            value = int(text, base)
        except ValueError:
            self.refuse(path, f'found {text[:40]!r}; expected a whole number')
            return None
        if not low <= value <= high:
            self.refuse(path, f'found {value}; expected {low} to {high}')
            return None
        return value

    def refuse(self, path: Path, reason: str) -> None:
        """Count a reading that is of no use."""
        self.errors[str(path)] += 1
        self.last_error = f'{path}: {reason}'
