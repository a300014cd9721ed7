# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of every kind are read, broken ones as far as they go."""

from __future__ import annotations

import shutil
import sqlite3
import struct

import numpy as np
import pytest
from recordings import MAKER, POINT, STORE, S, number, point, points, record
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from tagged_images import BAGS, BRIGHTON

from rs_onboard.replay.errors import (
    BagError,
    CorruptBagError,
    MissingTopicError,
    UnknownTypeError,
)
from rs_onboard.replay.reader import Bag, stamp_in, with_stamp
from rs_onboard.replay.topics import IMAGE_TYPES


def read(path, **options):
    with Bag(path) as bag:
        return [(x.topic, x.log_time_ns) for x in bag.messages(**options)]


@pytest.mark.parametrize('name', ['test_bag_mcap.mcap', 'test_bag_sqlite3.db3'])
def test_recordings_of_rosbag2_are_read_and_decoded(name):
    with Bag(BAGS / name) as bag:
        assert len(bag.topics) == 94
        assert not [x for x in bag.topics.values() if x.problem]
        messages = list(bag.messages())
        assert len(messages) == 188
        for message in messages:
            decoded = bag.decode(message)
            header = getattr(decoded, 'header', None)
            if header is not None and hasattr(header, 'stamp'):
                stamp = header.stamp.sec * S + header.stamp.nanosec
                assert message.stamp_ns == stamp
        assert bag.report.read.total() == 188
        assert bag.topics_of(IMAGE_TYPES) == [
            '/test/sensor_msgs/compressed_image',
            '/test/sensor_msgs/image',
        ]


def test_wanted_topics_and_times_are_selected():
    wanted = ['/test/sensor_msgs/imu', '/test/sensor_msgs/nav_sat_fix']
    found = read(BAGS / 'test_bag_mcap.mcap', topics=wanted)
    assert sorted({x[0] for x in found}) == wanted
    assert len(found) == 4
    times = [x[1] for x in found]
    assert read(
        BAGS / 'test_bag_mcap.mcap', topics=wanted, start_ns=times[1], stop_ns=times[2]
    ) == [found[1]]


@pytest.mark.parametrize('mode', [CompressionMode.FILE, CompressionMode.MESSAGE])
@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_compressed_bags_are_read(tmp_path, mode, storage):
    writer = Writer(tmp_path / 'b', version=8, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection('/p', POINT, typestore=STORE)
        for second in range(3):
            writer.write(connection, second * S, STORE.serialize_cdr(point(second * S), POINT))
    with Bag(tmp_path / 'b') as bag:
        assert [x.stamp_ns for x in bag.messages()] == [0, S, 2 * S]


def test_compressed_chunks_are_read(tmp_path):
    points(tmp_path / 'b', range(3), compressed=True)
    assert len(read(tmp_path / 'b' / 'b.mcap')) == 3


def test_ros1_bags_come_out_as_ros2_messages(tmp_path):
    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    header = types['std_msgs/msg/Header'](
        seq=7, stamp=types['builtin_interfaces/msg/Time'](sec=5, nanosec=6), frame_id='cam'
    )
    roi = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
    info = types['sensor_msgs/msg/CameraInfo'](
        header, 720, 1280, 'plumb_bob', np.zeros(5), np.arange(9.0), np.eye(3).ravel(),
        np.zeros(12), 0, 0, roi,
    )  # fmt: skip
    with Writer1(tmp_path / 'a.bag') as writer:
        connection = writer.add_connection(
            '/camera_info', 'sensor_msgs/msg/CameraInfo', typestore=store
        )
        raw = store.serialize_ros1(info, 'sensor_msgs/msg/CameraInfo')
        writer.write(connection, 9 * S, raw)
    with Bag(tmp_path / 'a.bag') as bag:
        (message,) = bag.messages()
        assert (message.log_time_ns, message.stamp_ns) == (9 * S, 5 * S + 6)
        decoded = bag.decode(message)
        assert decoded.k.tolist() == list(range(9))
        assert decoded.header.frame_id == 'cam'
    data = (tmp_path / 'a.bag').read_bytes()
    (tmp_path / 'b.bag').write_bytes(data.replace(b'\x09\0\0\0plumb_bob', b'\xff\0\0\0plumb_bob'))
    with Bag(tmp_path / 'b.bag') as bag:
        assert list(bag.messages()) == []
        assert bag.report.malformed == {'/camera_info': 1}


def test_a_folder_without_metadata_is_read_file_by_file(tmp_path):
    points(tmp_path / 'one', [1, 3])
    points(tmp_path / 'two', [2, 4])
    folder = tmp_path / 'bag'
    folder.mkdir()
    shutil.copy(tmp_path / 'one' / 'one.mcap', folder)
    shutil.copy(tmp_path / 'two' / 'two.mcap', folder)
    assert [x[1] // S for x in read(folder)] == [1, 2, 3, 4]
    with Bag(folder) as bag:
        assert bag.topics['/p'].count == 4


def test_what_is_no_bag_is_refused(tmp_path):
    with pytest.raises(BagError, match=r'does not exist\. Give a bag folder'):
        Bag(tmp_path / 'none')
    with pytest.raises(BagError, match=r'holds no bag \(no metadata'):
        Bag(tmp_path)
    (tmp_path / 'a.zip').touch()
    with pytest.raises(BagError, match=r"ending '\.zip' is not a bag; allowed: \.mcap"):
        Bag(tmp_path / 'a.zip')
    for name in ('a.mcap', 'a.db3', 'a.bag'):
        for content in (b'', b'nonsense' * 100):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(CorruptBagError, match=r'can(not)? be read'):
                Bag(tmp_path / name)


def test_a_missing_topic_lists_what_is_there_and_names_the_parameter():
    with Bag(BRIGHTON) as bag:
        bag.require({'image_topic': '/image_raw/compressed'})
        with pytest.raises(
            MissingTopicError,
            match=r"no messages on '/cam'; it holds: .*/image_raw/compressed \(sensor_msgs/msg/"
            r"CompressedImage, 14\).*parameter 'image_topic'",
        ):
            bag.require({'image_topic': '/cam'})
        with pytest.raises(MissingTopicError, match="no messages on '/cam'"):
            list(bag.messages(['/cam']))


def test_a_type_without_definition_stops_only_its_own_topic(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg('float64 x', 'secret_msgs/msg/Thing'))
    thing = store.types['secret_msgs/msg/Thing'](x=1.0)
    entries = [
        ('/thing', 'secret_msgs/msg/Thing', thing, S),
        ('/n', 'std_msgs/msg/Float64', number(2.0), 2 * S),
    ]
    with Writer(tmp_path / 'b', version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for topic, kind, message, time in entries:
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, time, store.serialize_cdr(message, kind))
    with Bag(tmp_path / 'b') as bag:
        assert next(bag.decode(x) for x in bag.messages()).x == 1.0
    with sqlite3.connect(tmp_path / 'b' / 'b.db3') as base:
        base.execute("UPDATE message_definitions SET encoded_message_definition = 'float64 ]'")
    with Bag(tmp_path / 'b') as bag:
        first, second = bag.messages()
        assert bag.decode(second).data == 2.0
        assert 'cannot be parsed' in bag.topics['/thing'].problem
        for fails in (lambda: bag.decode(first), lambda: bag.require({'t': '/thing'})):
            with pytest.raises(UnknownTypeError, match=r'definition .* cannot be parsed'):
                fails()


def test_a_message_that_is_not_of_its_type_is_named(tmp_path):
    points(tmp_path / 'b', [1])
    with Bag(tmp_path / 'b') as bag:
        (message,) = bag.messages()
        bad = type(message)(message.topic, message.type_name, 5, None, message.cdr[:13])
        with pytest.raises(BagError, match=f'/p: the message at 5 ns is not a {POINT}'):
            bag.decode(bad)


def test_stamps_that_go_back_are_counted_and_yielded(tmp_path):
    entries = [('/p', POINT, point(x * S), y * S) for x, y in ((5, 1), (4, 2), (6, 3), (1, 4))]
    record(tmp_path / 'b', entries)
    with Bag(tmp_path / 'b') as bag:
        assert [x.stamp_ns // S for x in bag.messages()] == [5, 4, 6, 1]
        assert bag.report.backward == {'/p': 2}


def test_a_truncated_bag_is_read_up_to_the_cut_and_then_named(tmp_path):
    whole = (BRIGHTON / 'brighton_beach.mcap').read_bytes()
    expected = read(BRIGHTON)
    cut = tmp_path / 'cut.mcap'
    for size, count in ((1_000_000, 23), (2_500_000, 65), (len(whole) - 10, 84)):
        cut.write_bytes(whole[:size])
        with Bag(cut) as bag:
            found = []
            with pytest.raises(CorruptBagError, match=f'{count} messages before the damage'):
                found.extend((x.topic, x.log_time_ns) for x in bag.messages())
        assert read(cut, strict=False) == expected[:count]


def test_a_truncated_bag_folder_is_read_up_to_the_cut(tmp_path):
    points(tmp_path / 'b', range(100), chunk_span_ns=10 * S)
    file = tmp_path / 'b' / 'b.mcap'
    file.write_bytes(file.read_bytes()[:-4000])
    with Bag(tmp_path / 'b') as bag:
        count = len(list(bag.messages(strict=False)))
        assert 10 < count < 100
        assert 'it ends before its index was written' in str(bag.damage_error())


def test_a_damaged_chunk_loses_only_itself(tmp_path):
    points(tmp_path / 'b', range(100), chunk_span_ns=10 * S, compressed=True)
    data = bytearray((tmp_path / 'b' / 'b.mcap').read_bytes())
    magics = [x for x in range(len(data)) if data[x : x + 4] == b'\x28\xb5\x2f\xfd']
    assert len(magics) == 10
    data[magics[4]] = 0
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(data[:-20])
    with Bag(cut) as bag:
        times = [x.log_time_ns // S for x in bag.messages(strict=False)]
        assert 'a chunk is damaged' in bag.report.damage
    assert times == [*range(44), *range(55, 100)]


def test_an_indexed_bag_with_a_damaged_chunk_is_read_up_to_it(tmp_path):
    points(tmp_path / 'b', range(100), chunk_span_ns=10 * S, compressed=True)
    file = tmp_path / 'b' / 'b.mcap'
    data = bytearray(file.read_bytes())
    at = [x for x in range(len(data)) if data[x : x + 4] == b'\x28\xb5\x2f\xfd'][4]
    data[at] = 0
    file.write_bytes(data)
    with Bag(tmp_path / 'b') as bag:
        times = []
        with pytest.raises(CorruptBagError, match='reading stopped'):
            times.extend(x.log_time_ns // S for x in bag.messages())
        assert times == list(range(44))


def test_a_damaged_database_is_refused_or_read_in_part(tmp_path):
    whole = (BAGS / 'test_bag_sqlite3.db3').read_bytes()
    file = tmp_path / 'cut.db3'
    for size in (1000, 50_000, 120_000):
        file.write_bytes(whole[:size])
        with pytest.raises(CorruptBagError, match=r'cut\.db3'):  # noqa: SIM117
            with Bag(file) as bag:
                list(bag.messages())


def test_stamps_are_changed_in_place_for_both_byte_orders():
    for order in ('<', '>'):
        little = order == '<'
        cdr = bytes(STORE.serialize_cdr(point(3 * S + 4), POINT, little_endian=little))
        assert stamp_in(cdr) == 3 * S + 4
        assert struct.unpack_from(f'{order}iI', with_stamp(cdr, 7 * S + 1), 4) == (7, 1)
        again = STORE.deserialize_cdr(with_stamp(cdr, 7 * S + 1), POINT)
        assert again == MAKER.make(POINT, header=MAKER.header(7 * S + 1, 'map'), point=again.point)
