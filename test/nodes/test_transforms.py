# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Static transforms of many messages are one message, whatever arrives."""

from __future__ import annotations

import contextlib
import math
import random
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed: run make setup')

sys.path.insert(0, str(Path(__file__).parents[1] / 'replay'))

from recordings import STORE, frames

from rs_onboard.nodes import transforms
from rs_onboard.nodes.transforms import merged_transforms

TF = 'tf2_msgs/msg/TFMessage'
LEVEL = (0.0, 0.0, 0.0, 1.0)


def message(*told, little_endian=True):
    """Serialise (parent, child, place, turn) as rosbags does."""
    return bytes(STORE.serialize_cdr(frames(*told), TF, little_endian=little_endian))


def told_by(cdr):
    """Read parent, child, place and turn of all transforms with rosbags."""
    found = []
    for item in STORE.deserialize_cdr(cdr, TF).transforms:
        place, turn = item.transform.translation, item.transform.rotation
        places = (place.x, place.y, place.z)
        turns = (turn.x, turn.y, turn.z, turn.w)
        found.append((item.header.frame_id, item.child_frame_id, places, turns))
    return found


def merged(*messages):
    held = None
    for cdr in messages:
        held = merged_transforms(held, cdr)
    return held


def test_all_broadcasters_are_in_one_message_that_others_read():
    first = ('base_link', 'camera', (0.1, 0.2, -0.3), LEVEL)
    second = ('camera', 'camera_optical', (0.0, 0.0, 0.0), (-0.5, 0.5, -0.5, 0.5))
    third = ('base_link', 'imu', (1.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0))
    found = merged(message(first), message(second, third))
    assert told_by(found) == [first, second, third]
    # As rosbags writes it, to the byte.
    assert found == message(first, second, third)


def test_a_frame_told_again_is_where_it_is_told_last():
    old = ('base_link', 'camera', (0.1, 0.0, 0.0), LEVEL)
    other = ('base_link', 'imu', (1.0, 0.0, 0.0), LEVEL)
    new = ('base_link', '/camera', (0.7, 0.0, 0.0), LEVEL)
    assert told_by(merged(message(old, other), message(new))) == [new, other]
    assert merged(message(old, other), message(old, other)) == message(old, other)


def test_either_byte_order_is_read():
    told = [
        ('base_link', f'camera_{"x" * n}', (n, 0.5 * n, -n), (0.0, math.sin(n), 0.0, math.cos(n)))
        for n in range(9)
    ]
    assert merged(message(*told, little_endian=False)) == message(*told)


def test_what_is_neither_a_place_nor_a_turn_does_not_replace_what_was_told_before():
    good = ('base_link', 'camera', (0.1, 0.0, 0.0), LEVEL)
    bad = [
        ('base_link', 'camera', (math.nan, 0.0, 0.0), LEVEL),
        ('base_link', 'camera', (0.1, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)),
        ('base_link', 'camera', (0.1, 0.0, 0.0), (0.0, 0.0, math.inf, 1.0)),
    ]
    assert told_by(merged(message(good), message(*bad))) == [good]


def test_bytes_that_are_no_such_message_are_refused_and_change_nothing():
    whole = message(('base_link', 'camera', (0.1, 0.2, 0.3), LEVEL))
    rng = random.Random(5)
    for size in range(len(whole)):
        with pytest.raises(ValueError, match='found'):
            merged(whole[:size])
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        with contextlib.suppress(ValueError):
            # What is taken can be read by others, names too.
            told_by(merged(whole, bytes(changed)))


def test_frames_without_end_are_refused(monkeypatch):
    held = merged(*(message(('base_link', f'{n}', (0, 0, 0), LEVEL)) for n in range(9)))
    monkeypatch.setattr(transforms, 'MOST_BYTES', len(held))
    again = message(('base_link', '3', (1, 0, 0), LEVEL))
    assert len(merged(held, again)) == len(held)
    with pytest.raises(ValueError, match=f'expected at most {len(held)}'):
        merged(held, message(('base_link', 'one more', (0, 0, 0), LEVEL)))
