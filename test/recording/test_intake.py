# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Callbacks never wait for the disk, and an error costs no more than what it touches."""

from __future__ import annotations

import threading
import time

import pytest
from made import START_NS, WORDS, Rig, S, spoken, word

from rs_onboard.recording import intake
from rs_onboard.recording.intake import Intake
from rs_onboard.recording.terms import Trigger
from rs_onboard.replay.reader import Bag


def watch_for(text):
    return lambda cdr: Trigger('detection', text) if text in spoken(cdr) else None


@pytest.fixture
def feed(tmp_path):
    """Make intakes that end with the test."""
    opened = []

    def make(watches=None, **options):
        rig = Rig(tmp_path / 'r', **options)
        rig.errors = []
        rig.intake = Intake(
            rig.recorder, rig.ledger, watches=watches or {}, on_error=rig.errors.append
        )
        rig.intake.start()
        opened.append(rig.intake)
        return rig

    yield make
    for item in opened:
        item.stop()


def wait(condition):
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_watched_message_starts_a_recording_that_holds_it(feed):
    rig = feed({WORDS: watch_for('ship')})
    for number, text in enumerate(['sea', 'sea', 'a ship', 'sea']):
        rig.intake.put(WORDS, START_NS + number * S, word(text))
    assert rig.intake.stop()
    (name,) = rig.files()
    with Bag(rig.folder / name) as bag:
        assert [spoken(m.cdr) for m in bag.messages()] == ['sea', 'sea', 'a ship', 'sea']
    assert rig.ledger.account() == (4, 4, {}, 0)
    assert rig.errors == []


def test_a_disk_that_takes_its_time_costs_named_drops_and_no_waiting(feed, monkeypatch):
    monkeypatch.setattr(intake, 'QUEUE_BYTES', 1000)
    rig = feed(always=True)
    hangs, goes_on = threading.Event(), threading.Event()
    take = rig.recorder.take

    def slow(*arguments):
        hangs.set()
        assert goes_on.wait(20.0)
        take(*arguments)

    rig.recorder.take = slow
    rig.intake.put(WORDS, START_NS, word('first'))
    assert hangs.wait(20.0)
    assert rig.intake.busy_s() >= 0.0
    for number in range(20):
        rig.intake.put(WORDS, START_NS + number, word('x' * 91))
    account = rig.ledger.account()
    # Ten of 100 bytes fit the queue, one is in hand.
    assert account.dropped == {'queue_full': 10}
    assert account.waiting == 11
    goes_on.set()
    assert rig.intake.stop()
    assert rig.ledger.account() == (21, 11, {'queue_full': 10}, 0)


def test_an_error_is_told_and_counted_and_the_next_message_is_recorded(feed):
    rig = feed(always=True)
    take = rig.recorder.take
    rig.recorder.take = lambda *_: 1 / 0
    rig.intake.put(WORDS, START_NS, word('lost'))
    wait(lambda: rig.ledger.account().dropped == {'error': 1})
    assert isinstance(rig.errors[0], ZeroDivisionError)
    rig.recorder.take = take
    rig.intake.put(WORDS, START_NS + S, word('kept'))
    assert rig.intake.stop()
    (name,) = rig.files()
    with Bag(rig.folder / name) as bag:
        assert [spoken(m.cdr) for m in bag.messages()] == ['kept']
    assert rig.ledger.account() == (2, 1, {'error': 1}, 0)


def test_a_message_that_cannot_be_read_is_no_trigger_and_is_recorded(feed):
    rig = feed({WORDS: lambda _: 1 / 0}, always=True)
    rig.intake.put(WORDS, START_NS, word('odd'))
    assert rig.intake.stop()
    assert isinstance(rig.errors[0], ZeroDivisionError)
    assert rig.ledger.account() == (1, 1, {}, 0)


def test_what_comes_after_the_end_is_refused_by_name(feed):
    rig = feed()
    assert rig.intake.stop()
    rig.intake.put(WORDS, START_NS, word('late'))
    assert rig.ledger.account() == (1, 0, {'inactive': 1}, 0)
    assert not rig.intake.trigger(Trigger('service', 'late'), START_NS)
