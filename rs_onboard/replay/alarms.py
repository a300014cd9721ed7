# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Alarms of a run: everything somebody should look at, collected and counted.

An alarm is known by its source, its level and its text with all numbers written as #, so that the
same trouble on a hundred frames is one alarm a hundred times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal['warn', 'error']

_NUMBER = re.compile(r'(?<![\w.])[-+]?\d+(\.\d+)?([eE][-+]?\d+)?(?![\w])')


@dataclass(frozen=True)
class Alarm:
    """One kind of trouble.

    Attributes:
        source: Who raises it: a task, a node, or `bag`.
        level: `warn` or `error`.
        text: What is wrong, numbers as #.
        count: How often.
        first: The text as it was the first time.
    """

    source: str
    level: Level
    text: str
    count: int
    first: str

    def record(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {
            'source': self.source,
            'level': self.level,
            'text': self.text,
            'count': self.count,
            'first': self.first,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Alarm:
        """Read what `record` gave."""
        return cls(**{name: record[name] for name in ('source', 'level', 'text', 'count', 'first')})


class Alarms:
    """Collects the alarms of a run, in the order of their first time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Level, str], tuple[int, str]] = {}

    def add(self, source: str, level: Level, text: str, count: int = 1) -> None:
        """Count an alarm."""
        key = source, level, without_numbers(text)
        before, first = self._found.get(key, (0, text))
        self._found[key] = before + count, first

    def all(self) -> list[Alarm]:
        """Return the alarms."""
        return [
            Alarm(source, level, text, count, first)
            for (source, level, text), (count, first) in self._found.items()
        ]


def without_numbers(text: str) -> str:
    """Write the numbers in a text as #."""
    return _NUMBER.sub('#', ' '.join(text.split()))
