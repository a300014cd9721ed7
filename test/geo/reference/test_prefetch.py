# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tiles ahead of a flight are in memory before its frames look at them."""

from __future__ import annotations

import threading

import numpy as np
from test_view import CAMERA, LONGITUDE, PaintedMap, pose_at

from rs_onboard.geo.mercator import TILE
from rs_onboard.geo.reference.prefetch import Prefetcher
from rs_onboard.geo.reference.view import GroundGrid, ReferenceMap

S = 1_000_000_000
# About 30 m, half a footprint.
STEP_DEG = 4e-4


def grid_at(step):
    return GroundGrid.of(CAMERA, pose_at(longitude_deg=LONGITUDE + step * STEP_DEG, yaw=0.0))


def test_the_next_frames_find_their_tiles_in_memory():
    painted = PaintedMap()
    reference = ReferenceMap(painted)
    ahead = Prefetcher(reference, ahead_s=4.0)
    for step in range(2):
        reference.view(grid_at(step))
        ahead.look(step * S, grid_at(step))
    assert ahead.wait(10.0)
    painted.asked.clear()
    for step in range(2, 5):
        reference.view(grid_at(step))
    assert painted.asked == []


def test_memory_stays_within_its_bound():
    painted = PaintedMap()
    reference = ReferenceMap(painted, cache_bytes=8 * TILE * TILE * 3)
    ahead = Prefetcher(reference, ahead_s=60.0)
    ahead.look(0, grid_at(0))
    ahead.look(S, grid_at(3))
    assert ahead.wait(10.0)
    assert reference.cached_bytes() <= reference.cache_limit
    assert len(painted.asked) <= 4


def test_nothing_is_read_before_the_way_is_known_or_after_time_went_back():
    painted = PaintedMap()
    ahead = Prefetcher(ReferenceMap(painted))
    ahead.look(100 * S, grid_at(0))
    ahead.look(50 * S, grid_at(1))
    ahead.look(500 * S, grid_at(2))
    blind = GroundGrid(np.full((4, 5, 2), np.nan), 48, 64)
    ahead.look(501 * S, blind)
    assert ahead.wait(1.0)
    assert painted.asked == []


def test_looking_never_waits_for_the_disk():
    painted, gate = PaintedMap(), threading.Event()
    read = painted.read
    painted.read = lambda key: (gate.wait(10.0), read(key))[1]
    ahead = Prefetcher(ReferenceMap(painted), ahead_s=4.0)
    for step in range(5):
        ahead.look(step * S, grid_at(step))
    assert not ahead.wait(0.05)
    gate.set()
    assert ahead.wait(10.0)
    # The last look is what was read in the end.
    columns = [key.column for key in painted.asked]
    assert max(columns) == columns[-1] or len(set(columns)) > 3
