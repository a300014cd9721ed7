# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Pieces are joined by stamp in whatever order they come; every stamp comes out once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_onboard.perception.join import MAX_PENDING, StampJoin

PARTS = ('frame', 'scene', 'mask')


def stamps(joined):
    return [item.stamp_ns for item in joined]


@pytest.mark.parametrize('order', [PARTS, PARTS[::-1], ('mask', 'frame', 'scene')])
def test_a_frame_comes_out_with_its_last_piece(order):
    join = StampJoin(PARTS)
    assert [join.add(5, name, f'{name} 5') for name in order[:2]] == [[], []]
    (joined,) = join.add(5, order[2], f'{order[2]} 5')
    assert (joined.stamp_ns, joined.missing) == (5, ())
    assert joined.parts == {name: f'{name} 5' for name in PARTS}
    assert join.pending() == 0


def test_a_single_part_needs_no_waiting():
    assert stamps(StampJoin(('tiles',)).add(1, 'tiles', 'x')) == [1]


def test_a_later_piece_of_the_same_source_ends_the_wait_for_an_earlier_one():
    join = StampJoin(PARTS)
    for stamp in (1, 2):
        join.add(stamp, 'frame', stamp)
        join.add(stamp, 'scene', stamp)
    first, second = join.add(2, 'mask', 2)
    assert (first.stamp_ns, first.missing, dict(first.parts)) == (
        1,
        ('mask',),
        {'frame': 1, 'scene': 1},
    )
    assert (second.stamp_ns, second.missing) == (2, ())


def test_what_is_missing_is_named_in_the_order_of_the_parts():
    join = StampJoin(PARTS)
    join.add(1, 'scene', 1)
    join.add(2, 'mask', 2)
    (first,) = join.add(2, 'frame', 2)
    assert (first.stamp_ns, first.missing) == (1, ('frame', 'mask'))
    (second,) = join.add(2, 'scene', 2)
    assert second.missing == ()


def test_a_frame_whose_first_pieces_were_lost_does_not_hold_up_later_ones():
    join = StampJoin(PARTS)
    join.add(5, 'scene', 5)
    join.add(6, 'frame', 6)
    (lost,) = join.add(4, 'mask', 4)
    assert (lost.stamp_ns, lost.missing) == (4, ('frame', 'scene'))
    (joined,) = join.add(5, 'mask', 5)
    assert (joined.stamp_ns, joined.missing) == (5, ('frame',))


def test_time_may_go_backwards():
    join = StampJoin(('frame', 'mask'))
    join.add(900, 'frame', 'old')
    join.add(100, 'frame', 'new')
    assert stamps(join.add(100, 'mask', 'new')) == [900, 100]


def test_a_recording_that_loops_gives_its_stamps_again():
    join = StampJoin(('frame', 'mask'))
    for turn in range(3):
        for stamp in range(5):
            assert join.add(stamp, 'frame', turn) == []
            (joined,) = join.add(stamp, 'mask', turn)
            assert (joined.stamp_ns, set(joined.parts.values())) == (stamp, {turn})


def test_pieces_that_come_after_they_were_given_up_are_left_out():
    join = StampJoin(('frame', 'scene', 'mask'))
    join.add(1, 'frame', 1)
    (given_up,) = join.expire(0.0)
    assert (given_up.stamp_ns, given_up.missing) == (1, ('scene', 'mask'))
    assert join.add(1, 'scene', 1) == join.add(1, 'mask', 1) == []
    assert join.pending() == 0
    assert join.expire(0.0) == []


def test_a_stamp_that_was_given_up_may_still_begin_anew():
    join = StampJoin(('frame', 'mask'))
    join.add(1, 'frame', 'first')
    assert stamps(join.expire(0.0)) == [1]
    join.add(1, 'frame', 'second')
    (joined,) = join.add(1, 'mask', 'second')
    assert set(joined.parts.values()) == {'second'}


def test_only_what_has_waited_long_enough_expires():
    join = StampJoin(PARTS)
    join.add(1, 'frame', 1)
    assert join.expire(3600.0) == []
    assert join.pending() == 1
    assert stamps(join.expire(0.0)) == [1]


def test_a_source_that_never_sends_does_not_fill_the_memory():
    join = StampJoin(('frame', 'mask'))
    out = []
    for stamp in range(5 * MAX_PENDING):
        out += join.add(stamp, 'frame', stamp)
        assert join.pending() <= MAX_PENDING
    assert stamps(out) == list(range(4 * MAX_PENDING))
    assert {item.missing for item in out} == {('mask',)}
    assert len(join._given_up) <= MAX_PENDING


def test_a_piece_that_comes_twice_replaces_the_first():
    join = StampJoin(('frame', 'mask'))
    join.add(1, 'frame', 'a')
    join.add(1, 'frame', 'b')
    (joined,) = join.add(1, 'mask', 'm')
    assert joined.parts['frame'] == 'b'


@st.composite
def deliveries(draw):
    """Frames whose pieces each source sends in order, interleaved, with some lost."""
    count = draw(st.integers(1, 15))
    lost = draw(st.sets(st.tuples(st.sampled_from(PARTS), st.integers(0, 14)), max_size=9))
    sent = {name: [s for s in range(count) if (name, s) not in lost] for name in PARTS}
    order = draw(st.permutations([name for name, queue in sent.items() for _ in queue]))
    queues = {name: iter(queue) for name, queue in sent.items()}
    return sent, [(next(queues[name]), name) for name in order]


@settings(max_examples=100, deadline=None)
@given(deliveries(), st.sets(st.integers(0, 44), max_size=3))
def test_every_stamp_comes_out_exactly_once_whole_or_with_what_was_lost(delivery, expiries):
    sent, order = delivery
    join = StampJoin(PARTS)
    out = []
    for step, (stamp, name) in enumerate(order):
        out += join.add(stamp, name, (name, stamp))
        if step in expiries:
            out += join.expire(0.0)
    out += join.expire(0.0)
    assert sorted(stamps(out)) == sorted(set().union(*sent.values()))
    for joined in out:
        assert set(joined.parts) | set(joined.missing) == set(PARTS)
        assert not set(joined.parts) & set(joined.missing)
        assert all(part == (name, joined.stamp_ns) for name, part in joined.parts.items())
    if not expiries:
        assert stamps(out) == sorted(stamps(out))
        for joined in out:
            assert set(joined.parts) == {n for n in PARTS if joined.stamp_ns in sent[n]}


def test_many_threads_may_add():
    join = StampJoin(PARTS)
    out = []
    started = threading.Barrier(len(PARTS))

    def send(name):
        started.wait()
        for stamp in range(MAX_PENDING):
            out.extend(join.add(stamp, name, stamp))

    threads = [threading.Thread(target=send, args=(name,)) for name in PARTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stamps(out)) == list(range(MAX_PENDING))
    assert {item.missing for item in out} == {()}


def test_a_frame_that_is_dropped_never_comes_out_and_the_others_do():
    join = StampJoin(PARTS)
    for stamp in (1, 2, 3):
        join.add(stamp, 'frame', stamp)
    join.add(2, 'scene', 2)
    assert join.drop(2)
    assert not join.drop(2)
    assert not join.drop(7)
    assert join.pending() == 2
    joined = [join.add(stamp, name, stamp) for stamp in (1, 3) for name in ('scene', 'mask')]
    assert [stamps(item) for item in joined] == [[], [1], [], [3]]
    # What was still to come of it is no new frame.
    assert join.add(2, 'mask', 2) == []
    assert join.pending() == 0
