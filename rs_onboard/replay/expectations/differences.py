# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What differs from the expectations, in lines that a tired reader understands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHOWN = 40


class Difference(NamedTuple):
    """One thing that is not as expected.

    Attributes:
        where: `segmentation`, `drops`, ...
        what: What differs, with what was found and what is expected.
        stamp_ns: Stamp of the frame, None where it is about the flight.
    """

    where: str
    what: str
    stamp_ns: int | None = None

    def __str__(self) -> str:
        when = 'flight' if self.stamp_ns is None else clock(self.stamp_ns)
        return f'{when:<14}{self.where:<14}{self.what}'


@dataclass(frozen=True)
class Verdict:
    """Whether a run is as expected.

    Attributes:
        expected: The file of expectations.
        differences: What is not.
        compared: How many frames were compared.
        true_alarms: Required alarms that were raised.
        missed_alarms: Required alarms that were not.
        false_alarms: Alarms that are neither required nor allowed.
        damage_allowed: Whether a damaged bag is among what is required or allowed.
    """

    expected: Path
    differences: tuple[Difference, ...]
    compared: int
    true_alarms: int
    missed_alarms: int
    false_alarms: int
    damage_allowed: bool = False

    def text(self, shown: int = SHOWN) -> str:
        """Write the verdict; one line where all is well."""
        count = len(self.differences)
        alarms = (
            f'alarms: {self.true_alarms} true, {self.missed_alarms} missed, '
            f'{self.false_alarms} false'
        )
        if not count:
            return f'as expected by {self.expected}: {self.compared} frames; {alarms}'
        lines = [f'{count} differences from {self.expected} ({self.compared} frames; {alarms})']
        lines += [f'  {item}' for item in self.differences[:shown]]
        if count > shown:
            lines.append(f'  ... and {count - shown} more')
        return '\n'.join(lines)


def clock(stamp_ns: int) -> str:
    """Write a stamp as a time of day (UTC)."""
    moment = datetime.fromtimestamp(stamp_ns // 1_000_000_000, timezone.utc)
    return f'{moment:%H:%M:%S}.{stamp_ns % 1_000_000_000 // 1_000_000:03d}'


def over(found: Sequence[Difference], allowance: float, where: str, what: str) -> list[Difference]:
    """Return differences that are more than there may be, with a line that says so."""
    if len(found) <= allowance:
        return []
    summary = Difference(where, f'{len(found)} {what}, allowed {allowance:g}')
    return [summary, *found]
