# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Bags are written chunk by chunk, the same messages as the same bytes."""

from __future__ import annotations

import pytest
from recordings import MAKER, POINT, STORE, S, number, point, points
from rosbags.rosbag2 import Reader
from tagged_images import REPOSITORY

from rs_onboard.replay.errors import BagError, UnknownTypeError
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.typestore import vision_msgs_folder
from rs_onboard.replay.writer import BagWriter


def test_serialised_messages_and_objects_are_written(tmp_path):
    with BagWriter(tmp_path / 'b', notes={'pilot': 'Ada'}) as writer:
        cdr = STORE.serialize_cdr(point(5), POINT)
        writer.write('/p', POINT, cdr, 1)
        writer.write_message('/n', 'std_msgs/msg/Float64', number(3.0), 2)
        writer.add_topic('/empty', POINT)
        assert writer.counts == {'/p': 1, '/n': 1, '/empty': 0}
    with Bag(tmp_path / 'b') as bag:
        first, second = bag.messages()
        assert first.cdr == cdr
        assert bag.decode(second).data == 3.0
        assert bag.notes == {'pilot': 'Ada'}
        assert bag.topics['/empty'].count == 0


def test_the_same_messages_give_the_same_bytes(tmp_path):
    for name in 'ab':
        points(tmp_path / name / 'bag', range(50), chunk_span_ns=7 * S, compressed=True)
    for file in ('bag.mcap', 'metadata.yaml'):
        assert (tmp_path / 'a/bag' / file).read_bytes() == (tmp_path / 'b/bag' / file).read_bytes()


def test_closed_chunks_are_on_the_disk_while_writing(tmp_path):
    with BagWriter(tmp_path / 'b', chunk_span_ns=10 * S) as writer:
        for second in range(25):
            writer.write_message('/p', POINT, point(second * S), second * S)
        with Bag(tmp_path / 'b' / 'b.mcap') as bag:
            assert len(list(bag.messages(strict=False))) == 22
        writer.flush()
        with Bag(tmp_path / 'b' / 'b.mcap') as bag:
            assert len(list(bag.messages(strict=False))) == 25


def test_an_exception_keeps_what_was_written(tmp_path):
    def interrupted():
        with BagWriter(tmp_path / 'b') as writer:
            writer.write_message('/p', POINT, point(S), S)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with Bag(tmp_path / 'b') as bag:
        assert len(list(bag.messages(strict=False))) == 1


def test_result_types_are_known(tmp_path):
    assert vision_msgs_folder() == REPOSITORY / 'msgs' / 'vision_msgs' / 'msg'
    scene = MAKER.make(
        'vision_msgs/msg/Classification', header=MAKER.header(S, 'camera_optical'), results=[]
    )
    with BagWriter(tmp_path / 'b') as writer:
        writer.write_message('/scene', 'vision_msgs/msg/Classification', scene, S)
        writer.add_topic('/detections', 'vision_msgs/msg/Detection2DArray')
    with Reader(tmp_path / 'b') as reader:
        assert 'ObjectHypothesis' in reader.connections[0].msgdef.data
    with Bag(tmp_path / 'b') as bag:
        (message,) = bag.messages()
        assert message.stamp_ns == S
        assert bag.decode(message).results == []


def test_wrong_use_is_refused(tmp_path):
    points(tmp_path / 'b', [1])
    with pytest.raises(BagError, match='exists already and is not overwritten'):
        BagWriter(tmp_path / 'b')
    closed = BagWriter(tmp_path / 'c')
    with pytest.raises(BagError, match='the bag is not open'):
        closed.flush()
    with BagWriter(tmp_path / 'd') as writer:
        with pytest.raises(UnknownTypeError, match='no definition of secret_msgs/msg/Thing'):
            writer.add_topic('/t', 'secret_msgs/msg/Thing')
        writer.add_topic('/p', POINT)
        with pytest.raises(BagError, match=f'/p: has type {POINT}; cannot also have std_msgs'):
            writer.add_topic('/p', 'std_msgs/msg/Float64')
        writer.write_message('/p', POINT, point(1), 1)
