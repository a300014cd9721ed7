# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Providers that hung: which one runs instead, and when they are tried again. Knows no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_onboard.inference.providers import AUTO_ORDER
from rs_onboard.inference.runtime_settings import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_onboard.inference.runtime_settings import RuntimeSettings

# First and longest time for which a provider that hung is left alone; doubles in between.
BACKOFF_S = (10.0, 300.0)

# A provider that ran so long without hanging starts again with the first time.
SOUND_S = 120.0


@dataclass
class _Record:
    """What is known of a provider that hung."""

    hangs: int
    backoff_s: float
    again_s: float


class Failover:
    """Chooses the provider of a model after one hung.

    What is preferred is what ran first. Under the policy `refuse` nothing else may run; the
    preferred one then gets a fresh session after the time it is left alone.

    Args:
        settings: How models are run: the policy and the provider asked for.
        preferred: The provider that ran first.
        available: Providers that this build of ONNX Runtime has, by its names.
        backoff_s: First and longest time for which a provider that hung is left alone [s]; None
            takes `BACKOFF_S`.

    Attributes:
        preferred: See above.
        refused: Whether the policy alone keeps other providers from running instead.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        preferred: str,
        available: Sequence[str],
        *,
        backoff_s: tuple[float, float] | None = None,
    ) -> None:
        self._backoff_s = backoff_s or BACKOFF_S
        self.preferred = preferred
        self._bad: dict[str, _Record] = {}
        have = [name for name in AUTO_ORDER if PROVIDERS[name] in available]
        below = have[have.index(preferred) + 1 :] if preferred in have else ['cpu']
        self.refused = settings.policy == 'refuse' and bool(below)
        self._order = [preferred, *([] if self.refused else below)]
        self._sound_since: tuple[str, float] | None = None

    def hung(self, provider: str, now_s: float) -> None:
        """Mark a provider as bad for a time, longer each time in a row.

        Args:
            provider: The provider.
            now_s: Time on a steady clock [s].
        """
        known = self._bad.get(provider)
        backoff_s = self._backoff_s[0] if known is None else 2 * known.backoff_s
        hangs = 1 if known is None else known.hangs + 1
        backoff_s = min(backoff_s, self._backoff_s[1])
        self._bad[provider] = _Record(hangs, backoff_s, now_s + backoff_s)
        self._sound_since = None

    def answered(self, provider: str, now_s: float) -> None:
        """Take note of an inference that ended; after long enough its provider is sound again."""
        if provider not in self._bad:
            return
        if self._sound_since is None or self._sound_since[0] != provider:
            self._sound_since = (provider, now_s)
        elif now_s - self._sound_since[1] >= SOUND_S:
            del self._bad[provider]

    def choose(self, now_s: float) -> str | None:
        """Return what to run while nothing does, None while all are left alone.

        That is the one that hung least often, the fastest of several.
        """
        due = self._due(now_s)
        return min(due, key=self._hangs, default=None)

    def better(self, running: str, now_s: float) -> str | None:
        """Return a provider that is preferred to the one that runs and may be tried again."""
        if running not in self._order:
            return None
        before = self._order[: self._order.index(running)]
        return next((name for name in self._due(now_s) if name in before), None)

    def again_in_s(self, now_s: float) -> float:
        """Return the time until a provider may be tried again [s], 0 while one may."""
        waits = [
            max(0.0, self._bad[p].again_s - now_s) if p in self._bad else 0.0 for p in self._order
        ]
        return min(waits)

    def _due(self, now_s: float) -> list[str]:
        return [p for p in self._order if p not in self._bad or now_s >= self._bad[p].again_s]

    def _hangs(self, provider: str) -> int:
        return self._bad[provider].hangs if provider in self._bad else 0

    def describe(self, now_s: float) -> str:
        """Say which providers are left alone and for how long; empty if none is."""
        parts = [
            f'{name}: hung {record.hangs} times, tried again in {record.again_s - now_s:.0f} s'
            for name, record in self._bad.items()
            if now_s < record.again_s
        ]
        return '; '.join(parts)
