# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""With no time for all tiles, none is left out for good, and what matters comes round first."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_frames import camera_for, frame_of, nadir_pose

from rs_onboard.geo.area import Area
from rs_onboard.perception.selection import Selection
from rs_onboard.perception.tile_choice import TileMemory, choose, shares_within
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tiles import TilePlan

IMAGE = np.zeros((256, 384, 3), np.uint8)
CAMERA = camera_for(IMAGE)
PLAN = TilePlan(64, 64)
# 12.8 m to the east at 46 degrees north.
DEGREES = 12.8 / 77_460.0


def tiles_at(number, plan=PLAN, *, rate_hz=10, **known):
    frame = frame_of(IMAGE, stamp_ns=int((100 + number / rate_hz) * 1e9), **known)
    return Tiler({'scene': plan}).cut(frame)['scene']


@given(
    st.lists(st.floats(0.0, 60.0), min_size=1, max_size=40),
    st.integers(0, 50),
    st.booleans(),
)
def test_as_many_tiles_as_asked_for_are_chosen_each_once(unseen, count, somewhere):
    near = np.array([somewhere] * len(unseen))
    chosen = choose(np.array(unseen), count, near=near)
    assert len(chosen) == min(count, len(unseen))
    assert (np.diff(chosen) > 0).all()
    left = sorted(set(range(len(unseen))) - set(chosen.tolist()))
    if len(chosen) and left:
        assert min(unseen[n] for n in chosen) >= max(unseen[n] for n in left) - 1e-3


def test_objects_and_areas_of_interest_weigh():
    unseen = np.array([3.0, 2.0, 2.0, 2.5])
    assert choose(unseen, 1).tolist() == [0]
    assert choose(unseen, 1, near=np.array([False, True, False, False])).tolist() == [1]
    assert choose(unseen, 1, interest=np.array([0.0, 0.0, 1.0, 0.0])).tolist() == [2]
    assert choose(unseen, 1, interest=np.array([0.0, 0.1, 0.0, 0.0])).tolist() == [0]


def test_of_equal_tiles_the_middle_ones_are_taken():
    assert choose(np.ones(9), 3).tolist() == [3, 4, 5]


@settings(max_examples=12, deadline=None)
@given(st.integers(4, 24), st.booleans(), st.integers(0, 40))
def test_over_the_same_ground_every_tile_has_its_turn(count, posed, overlap):
    memory, plan = TileMemory(), TilePlan(64, 64, overlap)
    known = {'camera': CAMERA, 'pose': nadir_pose()} if posed else {}
    total = len(tiles_at(0, plan).grid)
    turns = -(-total // count)
    seen = Counter()
    for number in range(3 * turns):
        chosen = memory.select(tiles_at(number, plan, **known), count)
        assert len(chosen) == min(count, total)
        seen.update(chosen)
    assert set(seen) == set(range(total))
    assert max(seen.values()) - min(seen.values()) <= 3


def test_a_tile_near_an_object_is_looked_at_more_often_and_others_still_are():
    memory, seen = TileMemory(), Counter()
    for number in range(120):
        tiles = tiles_at(number)
        memory.found(np.array([[200.0, 100.0]]), tiles.header.stamp_ns, None, None)
        seen.update(memory.select(tiles, 4))
    place = next(
        n
        for n in range(24)
        if tiles.grid.box(n)[0] <= 200 < tiles.grid.box(n)[0] + 64
        and tiles.grid.box(n)[1] <= 100 < tiles.grid.box(n)[1] + 64
    )
    far = [seen[n] for n in (0, 5, 18, 23)]
    assert seen[place] > 1.5 * max(far)
    assert min(far) > 5


def test_an_area_of_interest_is_looked_at_more_often():
    memory, seen = TileMemory(), Counter()
    interest = np.array([1.0] * 6 + [0.0] * 18)
    for number in range(120):
        seen.update(memory.select(tiles_at(number), 4, interest))
    assert min(seen[n] for n in range(6)) > 1.5 * max(seen[n] for n in range(6, 24))
    assert min(seen[n] for n in range(24)) > 5


def test_the_share_of_a_tile_in_an_area_is_told_where_the_ground_is_known():
    # The image top looks east: the west half of the ground is the lower half of the image.
    corners = [(6.0, 45.0), (7.0, 45.0), (7.0, 47.0), (6.0, 47.0)]
    area = Area('west', ((np.array(corners),),))
    shares = shares_within(area, tiles_at(0, camera=CAMERA, pose=nadir_pose()))
    assert (shares[:6] == 0.0).all()
    # Parts that touch the border count.
    assert (shares[6:12] < 0.4).all()
    assert (shares[12:] > 0.99).all()
    middle = shares_within(area, tiles_at(0, TilePlan(256, 384), camera=CAMERA, pose=nadir_pose()))
    assert 0.3 < middle[0] < 0.7
    assert shares_within(area, tiles_at(0)) is None
    some = tiles_at(0, camera=CAMERA, pose=nadir_pose())
    some = some.selecting(some.selection.keep({0, 20}, 'beyond the horizon'))
    assert shares_within(area, some).tolist() == [0.0, 1.0]


def test_ground_that_comes_into_view_goes_before_ground_already_seen():
    memory = TileMemory()
    first = tiles_at(0, camera=CAMERA, pose=nadir_pose())
    assert len(memory.select(first, 24)) == 24
    # 100 m above ground at 1000 px of focal length, 0.1 m/px: 128 px are 12.8 m. The image top
    # looks east, so going east brings the two upper rows of tiles into view.
    east = nadir_pose(longitude_deg=7.0 + DEGREES)
    assert sorted(memory.select(tiles_at(1, camera=CAMERA, pose=east), 12)) == list(range(12))


def test_objects_keep_their_place_on_the_ground_while_the_camera_moves_on():
    memory = TileMemory()
    here = tiles_at(0, camera=CAMERA, pose=nadir_pose())
    memory.select(here, 24)
    memory.found(np.array([[32.0, 32.0]]), here.header.stamp_ns, CAMERA, nadir_pose())
    east = nadir_pose(longitude_deg=7.0 + DEGREES)
    # Two rows further down in the image now; all of that ground was seen at the same time.
    chosen = memory.select(tiles_at(1, camera=CAMERA, pose=east), 13)
    assert chosen[:12] == tuple(range(12))
    assert chosen[12] == 12


def test_tiles_left_out_already_are_not_chosen():
    memory = TileMemory()
    tiles = tiles_at(0)
    visible = tiles.selecting(tiles.selection.keep(range(12, 24), 'beyond the horizon'))
    assert set(memory.select(visible, 6)) <= set(range(12, 24))
    nothing = tiles.selecting(Selection(()))
    assert memory.select(nothing, 6) == ()


def test_memory_does_not_outlive_a_jump_of_time_or_the_loss_of_the_pose():
    for change in ({'number': -1000}, {'camera': CAMERA, 'pose': nadir_pose()}):
        memory = TileMemory()
        first = memory.select(tiles_at(0), 6)
        number = change.pop('number', 1)
        assert memory.select(tiles_at(number, **change), 6) == first


def test_memory_is_bounded():
    memory = TileMemory()
    for number in range(80):
        memory.select(tiles_at(number), 20)
    assert len(memory._looked._at) <= 500
