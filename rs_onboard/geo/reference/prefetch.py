# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Read the tiles ahead of a flight before its frames need them, in a thread of its own.

A tile costs milliseconds from a disk and tens of them from a GeoTIFF; a frame that flies on to new
ground needs a row of them at once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rs_onboard.geo.reference.view import keys_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rs_onboard.geo.reference.source import TileKey
    from rs_onboard.geo.reference.view import GroundGrid, ReferenceMap

AHEAD_S = 10.0
# The ground speed of frames further apart than this says nothing of now.
LONGEST_STEP_S = 30.0
STEPS = 6
NS_PER_S = 1_000_000_000


class _Look(NamedTuple):
    """Where the camera looked: stamp [ns], middle of the ground in view, longitude, latitude."""

    stamp_ns: int
    middle: NDArray[np.float64]


class Prefetcher:
    """Follows a flight over a map and reads tiles ahead of it.

    The thread lives while there is something to read. Tiles read ahead fill at most half of the
    memory that the map may take, so that those in view stay.

    Args:
        reference: The map.
        ahead_s: How far ahead [s].
    """

    def __init__(self, reference: ReferenceMap, *, ahead_s: float = AHEAD_S) -> None:
        self._reference = reference
        self._ahead_s = ahead_s
        self._lock = threading.Lock()
        self._wanted: Sequence[TileKey] = ()
        self._thread: threading.Thread | None = None
        self._last: _Look | None = None

    def look(self, stamp_ns: int, grid: GroundGrid) -> None:
        """Say where a frame looks; returns at once. A stamp that goes back starts anew."""
        known = grid.points[np.isfinite(grid.points).all(axis=2)]
        if not len(known):
            return
        last, self._last = self._last, _Look(stamp_ns, known.mean(axis=0))
        step_s = 0.0 if last is None else (stamp_ns - last.stamp_ns) / NS_PER_S
        if last is None or not 0.0 < step_s <= LONGEST_STEP_S:
            return
        speed = (self._last.middle - last.middle) / step_s
        wanted = self._ahead(known, speed, self._reference.zoom_of(grid))
        with self._lock:
            self._wanted = wanted
            if wanted and self._thread is None:
                self._thread = threading.Thread(target=self._read, name='map ahead', daemon=True)
                self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything is read; returns whether it was before the timeout [s]."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _ahead(
        self, ground: NDArray[np.float64], speed: NDArray[np.float64], zoom: int
    ) -> list[TileKey]:
        """List the tiles of the next footprints, the nearest first."""
        low, high = ground.min(axis=0), ground.max(axis=0)
        keys: dict[TileKey, None] = {}
        for share in np.linspace(0.0, 1.0, STEPS + 1)[1:]:
            shift = speed * self._ahead_s * share
            keys |= dict.fromkeys(keys_within(np.array((low + shift, high + shift)), zoom))
        side = self._reference.info.tile_side
        most = self._reference.cache_limit // (2 * 3 * side * side)
        return list(keys)[:most]

    def _read(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, ()
                if not wanted:
                    self._thread = None
                    return
            for key in wanted:
                # The flight has gone on: what it needs now is nearer.
                if self._overtaken():
                    break
                self._reference.tile(key)

    def _overtaken(self) -> bool:
        with self._lock:
            return bool(self._wanted)
