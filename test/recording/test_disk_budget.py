# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Room is made from the oldest, never from what is protected, foreign or being written."""

from __future__ import annotations

import fcntl
import os

from made import START_NS, Disk, S

from rs_onboard.recording.disk_budget import (
    DiskBudget,
    DiskLimits,
    disk_space,
    free_path,
    protected_path,
    recording_name,
)


def recording(folder, age_s, size, *, keep=False):
    path = folder / recording_name(START_NS - age_s * S, 'flight', keep=keep)
    path.write_bytes(b'0' * size)
    os.utime(path, (START_NS // S - age_s,) * 2)
    return path


def test_names_say_when_why_and_whether_they_are_protected(tmp_path):
    assert recording_name(START_NS + 123_000_000, 'service', keep=True) == (
        '20261120T061530.123Z_service.keep.mcap'
    )
    assert recording_name(12_345_000_000, 'flight', keep=False) == 't0000012.345_flight.mcap'
    path = tmp_path / recording_name(START_NS, 'flight', keep=False)
    assert protected_path(path).name == '20261120T061530.000Z_flight.keep.mcap'
    assert protected_path(protected_path(path)) == protected_path(path)


def test_two_recordings_of_one_moment_have_two_names(tmp_path):
    names = []
    for keep in (False, True, False):
        path = free_path(tmp_path, START_NS, 'flight', keep=keep)
        path.write_text('')
        names.append(path.name)
    assert names == [
        '20261120T061530.000Z_flight.mcap',
        '20261120T061530.000Z_flight-2.keep.mcap',
        '20261120T061530.000Z_flight-3.mcap',
    ]
    found = DiskBudget(tmp_path, DiskLimits(10**6, 0.0)).recordings()
    assert {item.path.name for item in found} == set(names)


def test_the_oldest_go_first_and_no_more_than_needed(tmp_path):
    paths = [recording(tmp_path, age, 1000) for age in (50, 40, 30, 20)]
    budget = DiskBudget(tmp_path, DiskLimits(4500, 0.0), space=Disk(tmp_path))
    assert budget.make_room(400) == ''
    assert all(path.exists() for path in paths)
    assert budget.make_room(1600) == ''
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert budget.removed == 2


def test_protected_foreign_and_busy_files_stay(tmp_path):
    kept = recording(tmp_path, 90, 1000, keep=True)
    busy = recording(tmp_path, 80, 1000)
    old = recording(tmp_path, 70, 1000)
    mine = tmp_path / 'my_flight.mcap'
    mine.write_bytes(b'0' * 1000)
    link = tmp_path / recording_name(START_NS, 'flight', keep=False)
    link.symlink_to(mine)
    budget = DiskBudget(tmp_path, DiskLimits(3000, 0.0), space=Disk(tmp_path))
    assert budget.make_room(900, [busy]) == ''
    assert not old.exists()
    assert all(path.exists() for path in (kept, busy, mine, link))


def test_nothing_is_removed_where_that_would_not_help(tmp_path):
    old = recording(tmp_path, 70, 1000)
    recording(tmp_path, 90, 3000, keep=True)
    budget = DiskBudget(tmp_path, DiskLimits(3500, 0.0), space=Disk(tmp_path))
    trouble = budget.make_room(1000)
    assert 'record.budget_mb' in trouble
    assert '.keep.mcap' in trouble
    assert budget.trouble(1000) == trouble
    assert old.exists()
    disk = Disk(tmp_path, total=100_000, others=95_000)
    budget = DiskBudget(tmp_path, DiskLimits(10**6, 10.0), space=disk)
    trouble = budget.make_room(1000)
    assert 'record.keep_free_percent wants 10' in trouble
    assert old.exists()


def test_room_is_made_for_a_share_of_the_disk_too(tmp_path):
    paths = [recording(tmp_path, age, 10_000) for age in (50, 40, 30)]
    disk = Disk(tmp_path, total=100_000, others=58_000)
    budget = DiskBudget(tmp_path, DiskLimits(10**6, 20.0), space=disk)
    assert budget.trouble(1000) == ''
    assert all(path.exists() for path in paths)
    assert budget.make_room(1000) == ''
    assert [path.exists() for path in paths] == [False, True, True]


def test_recordings_expire_by_age_unless_protected(tmp_path):
    now_s = START_NS / S
    day = 86400
    old, young = recording(tmp_path, 31 * day, 10), recording(tmp_path, 29 * day, 10)
    kept = recording(tmp_path, 300 * day, 10, keep=True)
    DiskBudget(tmp_path, DiskLimits(10**6, 0.0)).expire(now_s)
    assert old.exists()
    DiskBudget(tmp_path, DiskLimits(10**6, 0.0, 30.0)).expire(now_s)
    assert not old.exists()
    assert young.exists()
    assert kept.exists()


def test_the_disk_itself_is_asked(tmp_path):
    space = disk_space(tmp_path)
    assert 0 <= space.free <= space.total
    assert DiskBudget(tmp_path, DiskLimits(10**9, 0.0)).make_room(1) == ''


def test_what_another_recorder_writes_is_not_removed(tmp_path):
    paths = [recording(tmp_path, age, 1000) for age in (50, 40, 30)]
    with paths[0].open('rb') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        budget = DiskBudget(tmp_path, DiskLimits(3000, 0.0), space=Disk(tmp_path))
        assert budget.make_room(900) == ''
        assert [path.exists() for path in paths] == [True, False, True]
    assert budget.make_room(1900) == ''
    assert [path.exists() for path in paths] == [False, False, True]
