# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds around a trigger or everything; a disk that refuses; all messages accounted for."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import LABELS, START_NS, TOPICS, WORDS, Disk, Rig, S, spoken, word

from rs_onboard.recording import recorder as recorder_module
from rs_onboard.recording.disk_budget import DiskLimits, DiskSpace, disk_space
from rs_onboard.recording.terms import Trigger
from rs_onboard.replay.reader import Bag

SHIP = Trigger('detection', 'ship 0.91')
CALL = Trigger('service', 'asked for', keep=True)


def heard(path, topic='/words'):
    with Bag(path) as bag:
        assert not bag.report.damage
        return [spoken(m.cdr).strip() for m in bag.messages() if m.topic == topic]


def seconds(first, last):
    return [str(n) for n in range(first, last + 1)]


def test_nothing_is_written_without_a_trigger(tmp_path):
    rig = Rig(tmp_path / 'r')
    rig.hear(60)
    rig.close()
    assert rig.files() == []
    account = rig.ledger.account()
    assert account == (60, 60, {}, 0)


def test_an_event_has_the_seconds_before_and_after_its_trigger(tmp_path):
    rig = Rig(tmp_path / 'r', before_s=5.0, after_s=3.0)
    rig.hear(30)
    rig.trigger(SHIP)
    rig.hear(20)
    rig.close()
    (name,) = rig.files()
    assert name == '20261120T061554.000Z_detection.mcap'
    found = heard(rig.folder / name)
    # Whole chunks of a second: one more at either end.
    assert set(seconds(25, 33)) <= set(found) <= set(seconds(24, 34))
    assert found == sorted(found, key=int)
    assert rig.ledger.account() == (50, 50, {}, 0)
    assert any('ship 0.91' in note for note in rig.notes)
    with Bag(rig.folder / name) as bag:
        assert bag.topics['/numbers'].count == 0


def test_triggers_that_follow_one_another_make_one_recording_up_to_its_longest(tmp_path):
    rig = Rig(tmp_path / 'r', before_s=2.0, after_s=4.0, longest_s=10.0)
    rig.hear(10)
    for _ in range(16):
        rig.trigger(SHIP)
        rig.hear(1)
    rig.hear(10)
    rig.close()
    first, second = rig.files()
    assert set(seconds(8, 19)) <= set(heard(rig.folder / first)) <= set(seconds(7, 21))
    # The next begins with seconds that the one before has too: each is whole in itself.
    assert heard(rig.folder / second)[-1] in seconds(29, 31)
    assert int(heard(rig.folder / second)[0]) <= int(heard(rig.folder / first)[-1])


def test_latched_messages_are_in_every_recording(tmp_path):
    rig = Rig(tmp_path / 'r', before_s=2.0, after_s=1.0)
    rig.say(word('old label'), LABELS)
    rig.say(word('label'), LABELS)
    rig.hear(30)
    rig.trigger(SHIP)
    rig.hear(20)
    rig.trigger(SHIP)
    rig.hear(5)
    rig.close()
    assert len(rig.files()) == 2
    for name in rig.files():
        assert heard(rig.folder / name, '/labels') == ['label']


def test_a_recording_begins_with_what_was_latched_at_its_first_moment_not_at_its_trigger(tmp_path):
    rig = Rig(tmp_path / 'r', before_s=5.0, after_s=1.0)
    rig.say(word('old label'), LABELS)
    rig.hear(30)
    rig.say(word('new label'), LABELS)
    rig.hear(2)
    rig.trigger(SHIP)
    rig.hear(5)
    rig.close()
    (name,) = rig.files()
    with Bag(rig.folder / name) as bag:
        told = [(m.log_time_ns, spoken(m.cdr)) for m in bag.messages(['/labels'])]
        first = next(bag.messages()).log_time_ns
    # Played again it is known when it was known in flight.
    assert told == [(first, 'old label'), (START_NS + 30 * S, 'new label')]


def test_every_file_of_a_split_recording_begins_with_what_was_latched_before_it(tmp_path):
    rig = Rig(tmp_path / 'r', always=True, segment_bytes=20_000)
    rig.hear(1)
    rig.say(word('label'), LABELS)
    rig.hear(60, size=1000)
    rig.close()
    assert len(rig.files()) > 2
    for name in rig.files():
        # In the first file where it arrived, in all others at the start; never twice.
        assert heard(rig.folder / name, '/labels') == ['label']
    for name in rig.files()[1:]:
        with Bag(rig.folder / name) as bag:
            assert next(bag.messages()).topic == '/labels'


def test_what_cannot_be_remembered_is_recorded_and_complained_about(tmp_path):
    def refuse(before, cdr):
        if spoken(cdr) == 'odd':
            raise ValueError('found odd; expected even.')
        return merged(before, cdr)

    def merged(before, cdr):
        return cdr if before is None else word(f'{spoken(before)} {spoken(cdr)}')

    rig = Rig(tmp_path / 'r', topics=(TOPICS[0], TOPICS[1]._replace(remember=refuse)))
    for text in ('two', 'odd', 'four'):
        rig.say(word(text), LABELS)
    rig.recorder.take(LABELS, 0, word('odd'), 0.0)
    rig.ledger.receive()
    rig.hear(30)
    rig.trigger(SHIP)
    rig.close()
    (name,) = rig.files()
    assert heard(rig.folder / name, '/labels') == ['two four']
    assert len(rig.complaints) == 2
    assert set(rig.complaints) == {
        '/labels: later recordings do not begin with a message: found odd; expected even.'
    }
    # Without a clock it is nowhere.
    assert rig.ledger.account() == (34, 33, {'no_clock': 1}, 0)


def test_before_the_clock_is_known_only_latched_messages_are_kept(tmp_path):
    rig = Rig(tmp_path / 'r', always=True)
    for channel, text in ((LABELS, 'label'), (WORDS, 'early')):
        rig.ledger.receive()
        rig.recorder.take(channel, 0, word(text), 0.0)
    rig.hear(3)
    rig.close()
    (name,) = rig.files()
    assert name.startswith('20261120T061530')
    assert heard(rig.folder / name, '/labels') == ['label']
    assert heard(rig.folder / name) == seconds(0, 2)
    assert rig.ledger.account() == (5, 4, {'no_clock': 1}, 0)


def test_a_protected_event_is_named_so_from_its_first_moment(tmp_path):
    rig = Rig(tmp_path / 'r', after_s=2.0)
    rig.hear(3)
    rig.trigger(CALL)
    assert rig.recorder.status.state == 'recording'
    (name,) = rig.files()
    assert name.endswith('_service.keep.mcap')
    rig.hear(10)
    assert rig.files() == [name]


def test_a_trigger_that_protects_also_protects_the_event_under_way(tmp_path):
    rig = Rig(tmp_path / 'r', after_s=2.0)
    rig.hear(3)
    rig.trigger(SHIP)
    rig.hear(1)
    rig.trigger(CALL)
    rig.hear(10)
    (name,) = rig.files()
    assert name.endswith('_detection.keep.mcap')
    assert heard(rig.folder / name)[0] == '0'


def test_everything_is_recorded_in_files_of_a_size_where_that_is_asked(tmp_path):
    rig = Rig(tmp_path / 'r', always=True, segment_bytes=20_000)
    said = rig.hear(60, size=1000)
    rig.close()
    assert len(rig.files()) > 2
    found = [text for name in rig.files() for text in heard(rig.folder / name)]
    assert found == said
    assert rig.ledger.account() == (60, 60, {}, 0)


def test_a_protecting_trigger_keeps_the_file_under_way_that_before_and_what_follows(tmp_path):
    rig = Rig(tmp_path / 'r', always=True, segment_bytes=11_000, after_s=5.0)
    rig.hear(25, size=1000)
    before = rig.files()
    rig.trigger(CALL)
    rig.hear(30, size=1000)
    rig.close()
    kept = [name for name in rig.files() if '.keep' in name]
    plain = [name for name in rig.files() if '.keep' not in name]
    assert len(before) == 3
    assert before[0] in plain
    assert len(kept) >= 2
    assert plain[-1] > kept[-1]
    assert [t for name in rig.files() for t in heard(rig.folder / name)] == seconds(0, 54)


def test_a_full_ring_forgets_the_oldest_and_says_so(tmp_path):
    rig = Rig(tmp_path / 'r', before_s=30.0, after_s=1.0, ring_bytes=10_000)
    rig.hear(30, size=1000)
    assert rig.recorder.status.ring_s < 12.0
    rig.trigger(SHIP)
    rig.hear(10, size=1000)
    rig.close()
    account = rig.ledger.account()
    assert set(account.dropped) == {'ring_full'}
    assert account.received == 40
    assert account.waiting == 0


def test_a_full_disk_pauses_recording_which_resumes_with_what_the_ring_still_has(tmp_path):
    disk = Disk(tmp_path / 'r')
    rig = Rig(tmp_path / 'r', limits=DiskLimits(10**9, 5.0), disk=disk, before_s=5.0, after_s=30.0)
    rig.hear(10)
    rig.trigger(SHIP)
    rig.hear(3)
    disk.others = 960_000_000
    rig.hear(6)
    status = rig.recorder.status
    assert status.state == 'paused'
    assert 'keep_free_percent' in status.trouble
    disk.others = 0
    rig.hear(4)
    assert rig.recorder.status.state == 'recording'
    rig.hear(40)
    rig.close()
    assert len(rig.files()) == 2
    found = [text for name in rig.files() for text in heard(rig.folder / name)]
    assert set(seconds(5, 40)) <= set(found)
    assert rig.ledger.account() == (63, 63, {}, 0)
    assert len([note for note in rig.notes if 'paused' in note]) == 1


def test_what_a_full_disk_never_takes_is_counted(tmp_path):
    disk = Disk(tmp_path / 'r', others=999_000_000)
    rig = Rig(tmp_path / 'r', limits=DiskLimits(10**9, 5.0), disk=disk, before_s=5.0, after_s=5.0)
    rig.hear(10)
    # Before anything is to be recorded it is known that it could not be.
    assert rig.recorder.status.state == 'armed'
    assert 'Make room' in rig.recorder.status.trouble
    rig.trigger(SHIP)
    rig.hear(30)
    rig.close()
    assert rig.files() == []
    account = rig.ledger.account()
    assert account.received == 40
    assert set(account.dropped) == {'not_written'}
    assert 10 <= account.dropped['not_written'] <= 13
    assert account.waiting == 0


def test_a_folder_that_is_gone_pauses_recording_until_it_is_back(tmp_path):
    rig = Rig(tmp_path / 'r', always=True, ring_bytes=10**6)
    rig.hear(5)
    rig.folder.rename(tmp_path / 'pulled')
    rig.hear(5)
    assert rig.recorder.status.state == 'paused'
    (tmp_path / 'pulled').rename(rig.folder)
    rig.hear(5)
    assert rig.recorder.status.state == 'recording'
    rig.close()
    assert [t for name in rig.files() for t in heard(rig.folder / name)] == seconds(0, 14)


def test_a_clock_that_goes_back_begins_anew(tmp_path):
    rig = Rig(tmp_path / 'r', before_s=10.0, after_s=10.0)
    rig.hear(20)
    rig.trigger(SHIP)
    rig.hear(2)
    rig.second = 0
    rig.hear(5)
    rig.trigger(CALL)
    rig.hear(30)
    rig.close()
    first, second = sorted(rig.files(), key=lambda name: '.keep' in name)
    assert heard(rig.folder / first)[-1] == '21'
    assert heard(rig.folder / second)[0] == '0'
    assert rig.ledger.account().waiting == 0
    assert any('clock' in note for note in rig.notes)


def test_an_event_whose_messages_cease_is_closed(tmp_path):
    rig = Rig(tmp_path / 'r', after_s=5.0)
    rig.hear(5)
    rig.trigger(SHIP)
    for second in range(5, 20):
        rig.recorder.tick(second)
    assert rig.recorder.status.state == 'armed'
    assert heard(rig.folder / rig.files()[0]) == seconds(0, 4)


@pytest.mark.parametrize('always', [False, True])
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_every_message_is_accounted_for_whatever_happens(tmp_path_factory, always, seed):
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp('r') / 'r'
    disk = Disk(folder, total=10**7)
    rig = Rig(
        folder,
        limits=DiskLimits(rng.choice([40_000, 10**9]), 5.0),
        disk=disk,
        always=always,
        before_s=4.0,
        after_s=3.0,
        longest_s=8.0,
        ring_bytes=rng.choice([3_000, 10**6]),
        segment_bytes=10_000,
    )
    for _ in range(40):
        match rng.randrange(6):
            case 0:
                rig.trigger(rng.choice([SHIP, CALL]))
            case 1:
                disk.others = rng.choice([0, 9_700_000])
            case 2 if rng.random() < 0.2:
                rig.second = max(0, rig.second - 10)
            case _:
                rig.hear(rng.randrange(1, 4), size=rng.randrange(1500))
        assert rig.balance() == 0
        assert rig.recorder._ring_bytes <= rig.recorder._options.ring_bytes
    rig.close()
    account = rig.ledger.account()
    assert account.waiting == 0
    assert set(account.dropped) <= {'ring_full', 'not_written', 'time_jump'}
    for name in rig.files():
        assert heard(rig.folder / name)


def test_the_start_of_a_recording_is_its_name(tmp_path):
    rig = Rig(tmp_path / 'r')
    rig.hear(1)
    rig.trigger(SHIP)
    assert rig.files() == ['20261120T061530.000Z_detection.mcap']
    assert START_NS % S == 0


@pytest.fixture
def tiny_disk(tmp_path):
    """Return a folder on a disk of 400 kB."""
    folder = tmp_path / 'tiny'
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', str(folder)]
    if (
        shutil.which('mount') is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip('a disk can only be mounted by root')
    yield folder
    subprocess.run(['umount', '--lazy', str(folder)], check=True)


def test_a_disk_that_really_fills_up_keeps_whole_chunks_and_is_used_again(tiny_disk):
    rig = Rig(tiny_disk, disk=disk_space, always=True, ring_bytes=10**6)
    others = tiny_disk / 'others'
    others.write_bytes(b'0' * 250_000)
    said = rig.hear(30, size=2_000)
    assert rig.recorder.status.state == 'paused'
    others.unlink()
    said += rig.hear(5, size=500)
    assert rig.recorder.status.state == 'recording', rig.recorder.status
    rig.close()
    assert [t for name in rig.files() for t in heard(rig.folder / name)] == said
    assert rig.ledger.account() == (35, 35, {}, 0)


def test_a_disk_that_fills_up_below_every_reserve_is_survived(tiny_disk, monkeypatch):
    # Somebody else takes the room between the look and the write.
    monkeypatch.setattr(recorder_module, 'RESERVE_BYTES', 0)
    rig = Rig(tiny_disk, disk=lambda _: DiskSpace(10**9, 10**9), always=True, ring_bytes=50_000)
    rig.hear(120, size=5_000)
    status = rig.recorder.status
    assert status.state == 'paused'
    assert 'No space left' in status.trouble
    rig.close()
    account = rig.ledger.account()
    assert account.waiting == 0
    assert set(account.dropped) == {'not_written'}
    found = []
    for name in rig.files():
        with Bag(rig.folder / name) as bag:
            # The last file may have had no room for its index.
            found += [spoken(m.cdr).strip() for m in bag.messages(strict=False)]
    assert found == seconds(0, len(found) - 1)
    assert len(found) == account.done > 50
