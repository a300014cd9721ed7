# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which tiles of a frame a task infers, with which variant, and why not all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True)
class Selection:
    """What a task does with the tiles of a frame.

    Attributes:
        tiles: Numbers of the tiles to infer, ascending; none where the task does not run.
        left_out: The other tiles, counted by reason.
        variant: Variant of the model to infer them with; empty for the one of its node.
        doubt: Why the result is degraded by it; empty where it is not.
        skip: Why the task does not run on the frame; empty where it does.
    """

    tiles: tuple[int, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    variant: str = ''
    doubt: str = ''
    skip: str = ''

    @classmethod
    def whole(cls, count: int) -> Selection:
        """Select all of a number of tiles."""
        return cls(tuple(range(count)))

    def keep(self, tiles: Collection[int], reason: str) -> Selection:
        """Leave out, and count under a reason, what is not among some tiles."""
        wanted = frozenset(tiles)
        kept = tuple(number for number in self.tiles if number in wanted)
        lost = len(self.tiles) - len(kept)
        if not lost:
            return self
        counted = {**self.left_out, reason: self.left_out.get(reason, 0) + lost}
        return replace(self, tiles=kept, left_out=counted)

    @property
    def why_skipped(self) -> str:
        """Why nothing is inferred; empty where something is."""
        if self.skip or self.tiles:
            return self.skip
        counted = ', '.join(f'{reason} {count}' for reason, count in self.left_out.items())
        return f'every tile is left out: {counted}'

    def skipped(self, reason: str) -> Selection:
        """Have the task not run at all; its tiles are not counted, for none is looked at."""
        return replace(self, tiles=(), skip=reason)
