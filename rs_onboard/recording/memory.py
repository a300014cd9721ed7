# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What every recording begins with: messages that readers need and that nobody repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rs_onboard.recording.records import Topic


def newest(before: bytes | None, cdr: bytes) -> bytes:
    """Remember the last message of a topic alone."""
    del before
    return cdr


class Memory:
    """The messages to begin with, by channel.

    Args:
        topics: Channel n + 1 is topic n.
        complain: Told of a message that cannot be remembered.
    """

    def __init__(self, topics: Sequence[Topic], complain: Callable[[str], object]) -> None:
        self._topics = topics
        self._complain = complain
        self._held: dict[int, bytes] = {}

    def take(self, channel: int, cdr: bytes) -> bool:
        """Remember a message if its topic asks for it; returns whether it is remembered."""
        topic = self._topics[channel - 1]
        if topic.remember is None:
            return False
        try:
            self._held[channel] = topic.remember(self._held.get(channel), cdr)
        except ValueError as exc:
            self._complain(f'{topic.name}: later recordings do not begin with a message: {exc}')
            return False
        return True

    def held(self) -> dict[int, bytes]:
        """Return what is remembered now, by channel."""
        return dict(self._held)
