# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is written is MCAP to other readers, and every prefix of it can be read."""

from __future__ import annotations

import errno
import os
import random

import pytest
import yaml
from made import LABELS, NUMBERS, START_NS, TOPICS, WORDS, S, spoken, word
from rosbags.interfaces import (
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader

from rs_onboard.recording import chunks, mcap_file
from rs_onboard.recording.chunks import CHUNK_BYTES, ChunkBuilder
from rs_onboard.recording.compression import zstd_compressor
from rs_onboard.recording.mcap_file import McapFile, being_written
from rs_onboard.recording.records import offered_qos
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.salvage import SalvagedMcap


def written(path, count=40, per_chunk=8, compress=None):
    """Write words in chunks; return the end of each chunk and how many words are before it."""
    file = McapFile(path, TOPICS, {'trigger': 'test'})
    builder = ChunkBuilder(compress)
    ends = [(file.size, 0)]
    for number in range(count):
        builder.add(WORDS, START_NS + number * S, word(f'word {number}' * 20))
        if number % per_chunk == per_chunk - 1:
            file.write(builder.close())
            ends.append((file.size, number + 1))
    file.close()
    return ends


def words(path):
    """Return what can be read of a recording."""
    with Bag(path) as bag:
        return [spoken(m.cdr) for m in bag.messages(strict=False) if m.topic == '/words']


@pytest.mark.parametrize('compressed', [False, True])
def test_rosbags_reads_topics_types_times_and_bytes(tmp_path, compressed):
    compress = zstd_compressor() if compressed else None
    if compressed and compress is None:
        pytest.skip('no module for zstd is installed')
    path = tmp_path / 'a.mcap'
    written(path, compress=compress)
    with Bag(path) as bag:
        assert not bag.report.damage
        assert {x.name: (x.type_name, x.count) for x in bag.topics.values()} == {
            '/words': ('std_msgs/msg/String', 40),
            '/labels': ('std_msgs/msg/String', 0),
            '/numbers': ('std_msgs/msg/Float64', 0),
        }
        found = list(bag.messages())
        assert [m.log_time_ns for m in found] == [START_NS + n * S for n in range(40)]
        assert bag.decode(found[3]).data == 'word 3' * 20


def test_the_reference_reader_of_mcap_finds_no_fault(tmp_path):
    reader = pytest.importorskip('mcap.reader')
    path = tmp_path / 'a.mcap'
    written(path)
    with path.open('rb') as stream:
        opened = reader.make_reader(stream, validate_crcs=True)
        summary = opened.get_summary()
        assert summary.statistics.message_count == 40
        assert summary.statistics.channel_message_counts == {WORDS: 40}
        assert {c.topic for c in summary.channels.values()} == {t.name for t in TOPICS}
        assert len(summary.chunk_indexes) == 5
        assert [m.metadata for m in opened.iter_metadata()] == [{'trigger': 'test'}]
        # Through the index, backwards too.
        times = [m.log_time for _, _, m in opened.iter_messages(reverse=True)]
        assert times == [START_NS + n * S for n in reversed(range(40))]
    with path.open('rb') as stream:
        read = reader.NonSeekingReader(stream, validate_crcs=True).iter_messages()
        assert sum(1 for _ in read) == 40


def test_rosbags_reads_how_each_topic_is_to_be_published_again(tmp_path):
    path = tmp_path / 'a.mcap'
    written(path)
    with Reader(path) as reader:
        found = {x.topic: x.ext.offered_qos_profiles for x in reader.connections}
    assert all(len(profiles) == 1 for profiles in found.values())
    assert found['/labels'][0].durability is QosDurability.TRANSIENT_LOCAL
    assert found['/words'][0].durability is QosDurability.VOLATILE
    assert (found['/labels'][0].depth, found['/words'][0].depth) == (1, 10)
    for (profile,) in found.values():
        assert profile.history is QosHistory.KEEP_LAST
        assert profile.reliability is QosReliability.RELIABLE
        assert profile.liveliness is QosLiveliness.AUTOMATIC
        endless = QosTime(9_223_372_036, 854_775_807)
        assert profile.deadline == profile.lifespan == endless
        assert profile.liveliness_lease_duration == endless
        assert profile.avoid_ros_namespace_conventions is False


def test_rosbag2_of_humble_finds_the_numbers_that_it_expects_in_profiles():
    (profile,) = yaml.safe_load(offered_qos(TOPICS[LABELS - 1]))
    # In Humble and Iron every policy is a number; from Jazzy on a number tells the same.
    assert {name: value for name, value in profile.items() if not isinstance(value, dict)} == {
        'history': 1,
        'depth': 1,
        'reliability': 1,
        'durability': 1,
        'liveliness': 1,
        'avoid_ros_namespace_conventions': False,
    }


@pytest.mark.parametrize('compressed', [False, True])
def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_chunk(tmp_path, compressed):
    compress = zstd_compressor() if compressed else None
    if compressed and compress is None:
        pytest.skip('no module for zstd is installed')
    whole, cut = tmp_path / 'whole.mcap', tmp_path / 'cut.mcap'
    ends = written(whole, compress=compress)
    data = whole.read_bytes()
    rng = random.Random(7)
    offsets = {end + n for end, _ in ends for n in (-1, 0, 1)}
    offsets |= {rng.randrange(ends[0][0], len(data)) for _ in range(150)}
    for offset in sorted(offsets):
        cut.write_bytes(data[:offset])
        promised = max((count for end, count in ends if end <= offset), default=0)
        read = SalvagedMcap(cut)
        found = [spoken(cdr) for _, _, cdr in read.messages()]
        assert found == [f'word {n}' * 20 for n in range(len(found))], offset
        assert len(found) >= promised, offset
        if promised:
            assert len(words(cut)) >= promised, offset


def test_messages_of_a_chunk_are_found_by_channel_and_in_order_of_time(tmp_path):
    builder = ChunkBuilder()
    for number, channel in [(3, WORDS), (1, NUMBERS), (2, WORDS), (0, LABELS)]:
        builder.add(channel, START_NS + number * S, word(str(number)))
    chunk = builder.close()
    assert (chunk.start_ns, chunk.end_ns) == (START_NS, START_NS + 3 * S)
    assert chunk.counts == {WORDS: 2, LABELS: 1, NUMBERS: 1}
    assert builder.close() is None
    file = McapFile(tmp_path / 'a.mcap', TOPICS, {})
    file.write(chunk)
    file.close()
    with Bag(tmp_path / 'a.mcap') as bag:
        assert [m.topic for m in bag.messages()] == ['/labels', '/numbers', '/words', '/words']


def test_a_chunk_is_to_be_closed_when_it_is_large_or_has_waited():
    builder = ChunkBuilder()
    assert not builder.due(100.0)
    assert not builder.add(WORDS, START_NS, word('a'), 100.0)
    assert not builder.due(100.0 + chunks.CHUNK_S / 2)
    assert builder.due(100.0 + chunks.CHUNK_S)
    assert builder.add(WORDS, START_NS, b'0' * CHUNK_BYTES, 100.1)


class FullDisk:
    """Takes some bytes more, then none."""

    def __init__(self, monkeypatch, left):
        self.left = left
        self._write = os.write
        monkeypatch.setattr(mcap_file.os, 'write', self)

    def __call__(self, descriptor, data):
        piece = bytes(data[: self.left])
        if not piece:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= len(piece)
        return self._write(descriptor, piece)


@pytest.mark.parametrize('room', [0, 1, 5, 100, 300])
def test_what_a_full_disk_takes_of_a_chunk_is_taken_back(tmp_path, monkeypatch, room):
    path = tmp_path / 'a.mcap'
    file = McapFile(path, TOPICS, {})
    builder = ChunkBuilder()
    builder.add(WORDS, START_NS, word('first'))
    file.write(builder.close())
    size = path.stat().st_size
    builder.add(WORDS, START_NS + S, word('second' * 80))
    lost = builder.close()
    disk = FullDisk(monkeypatch, room)
    with pytest.raises(OSError, match='No space left'):
        file.write(lost)
    assert path.stat().st_size == file.size == size
    assert words(path) == ['first']
    disk.left = 10**6
    file.write(lost)
    file.close()
    assert words(path) == ['first', 'second' * 80]


def test_without_room_for_the_index_the_chunks_stay(tmp_path, monkeypatch):
    path = tmp_path / 'a.mcap'
    file = McapFile(path, TOPICS, {})
    builder = ChunkBuilder()
    builder.add(WORDS, START_NS, word('kept'))
    file.write(builder.close())
    FullDisk(monkeypatch, 10)
    with pytest.raises(OSError, match='No space left'):
        file.close()
    assert file.closed
    assert words(path) == ['kept']


def test_a_file_without_room_for_its_head_or_without_messages_does_not_stay(tmp_path, monkeypatch):
    path = tmp_path / 'a.mcap'
    McapFile(path, TOPICS, {}).close()
    assert not path.exists()
    FullDisk(monkeypatch, 40)
    with pytest.raises(OSError, match='No space left'):
        McapFile(path, TOPICS, {})
    assert not path.exists()


def test_an_existing_recording_is_never_overwritten(tmp_path):
    path = tmp_path / 'a.mcap'
    path.write_text('mine')
    with pytest.raises(FileExistsError):
        McapFile(path, TOPICS, {})
    assert path.read_text() == 'mine'


def test_a_recording_is_locked_while_it_is_written_and_no_longer(tmp_path):
    path = tmp_path / 'a.mcap'
    file = McapFile(path, TOPICS, {})
    builder = ChunkBuilder()
    builder.add(WORDS, START_NS, word('a'))
    file.write(builder.close())
    assert being_written(path)
    file.close()
    assert not being_written(path)
    assert not being_written(tmp_path / 'none.mcap')


def test_a_recording_that_somebody_removes_is_noticed(tmp_path):
    file = McapFile(tmp_path / 'a.mcap', TOPICS, {})
    builder = ChunkBuilder()
    builder.add(WORDS, START_NS, word('a'))
    (tmp_path / 'a.mcap').unlink()
    with pytest.raises(OSError, match='was removed'):
        file.write(builder.close())
