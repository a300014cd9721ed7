# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Workers account for every item, survive what their work raises, and never run twice at once."""

from __future__ import annotations

import threading
import time

import pytest

from rs_onboard.perception.worker import Mailbox, Worker

PATIENCE_S = 20.0


def balanced(counts):
    return counts.received == counts.done + sum(counts.dropped.values()) + counts.waiting


def refuse_errors(exc):
    raise AssertionError(exc)


class Gate:
    """Work that tells when it begins and goes on when it is let."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.items = []
        self.threads = []

    def __call__(self, item):
        self.threads.append(threading.current_thread())
        self.entered.release()
        assert self.go_on.acquire(timeout=PATIENCE_S)
        self.items.append(item)

    def wait_until_entered(self):
        assert self.entered.acquire(timeout=PATIENCE_S)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    for _ in range(20):
        gate.go_on.release()


def wait_until_idle(worker):
    """Stop and so wait for the item in hand, without a clock."""
    assert worker.stop(PATIENCE_S)


def test_a_newer_item_replaces_the_one_that_waits():
    box = Mailbox()
    box.open()
    assert [box.put(item) for item in (1, 2, 3)] == [None, 1, 2]
    assert box.counts() == (3, 0, {'replaced_by_newer': 2}, 1)
    assert box.take() == 3
    assert box.counts().waiting == 1
    box.finish(None)
    assert box.counts() == (3, 1, {'replaced_by_newer': 2}, 0)


def test_items_for_a_closed_mailbox_are_counted_and_dropped():
    box = Mailbox()
    box.put('before')
    box.open()
    box.put('waiting')
    box.close()
    box.put('after')
    assert box.counts() == (3, 0, {'inactive': 3}, 0)
    assert box.take() is None


def test_unfit_items_are_received_and_dropped_by_name():
    box = Mailbox()
    box.open()
    box.refuse('incomplete_tiles')
    box.refuse('incomplete_tiles')
    assert box.counts() == (2, 0, {'incomplete_tiles': 2}, 0)


def test_counters_do_not_change_after_they_were_read():
    box = Mailbox()
    counts = box.counts()
    box.refuse('late')
    assert counts.dropped == {}


def test_the_newest_item_is_worked_on_and_the_sums_agree(gate):
    worker = Worker('test', gate, on_error=refuse_errors)
    worker.start()
    worker.mailbox.put(0)
    gate.wait_until_entered()
    for item in (1, 2, 3):
        worker.mailbox.put(item)
    assert worker.mailbox.counts() == (4, 0, {'replaced_by_newer': 2}, 2)
    assert worker.busy_s() > 0
    gate.go_on.release()
    gate.wait_until_entered()
    gate.go_on.release()
    wait_until_idle(worker)
    assert gate.items == [0, 3]
    assert worker.mailbox.counts() == (4, 2, {'replaced_by_newer': 2}, 0)
    assert worker.busy_s() == 0


def test_what_work_returns_is_the_name_of_the_drop():
    done = threading.Semaphore(0)

    def work(item):
        done.release()
        return item

    worker = Worker('test', work, on_error=refuse_errors)
    worker.start()
    for item in ('too_old', 'too_dark', 'too_old'):
        worker.mailbox.put(item)
        assert done.acquire(timeout=PATIENCE_S)
    wait_until_idle(worker)
    counts = worker.mailbox.counts()
    assert counts.dropped == {'too_old': 2, 'too_dark': 1}
    assert balanced(counts)


def test_what_work_raises_is_counted_told_and_survived():
    told = []
    done = threading.Semaphore(0)

    def work(item):
        done.release()
        if item % 2:
            raise ValueError(item)

    worker = Worker('test', work, on_error=told.append)
    worker.start()
    for item in range(4):
        worker.mailbox.put(item)
        assert done.acquire(timeout=PATIENCE_S)
    wait_until_idle(worker)
    assert [exc.args for exc in told] == [(1,), (3,)]
    assert worker.mailbox.counts() == (4, 2, {'error': 2}, 0)


def test_a_complaint_that_fails_does_not_end_the_worker():
    done = threading.Semaphore(0)

    def work(item):
        done.release()
        raise OSError(item)

    def complain(exc):
        raise RuntimeError('the logger is gone')

    worker = Worker('test', work, on_error=complain)
    worker.start()
    for item in range(3):
        worker.mailbox.put(item)
        assert done.acquire(timeout=PATIENCE_S)
    wait_until_idle(worker)
    assert worker.mailbox.counts() == (3, 0, {'error': 3}, 0)


@pytest.mark.parametrize('producers', [1, 4])
def test_counters_balance_at_every_moment_under_many_producers(producers):
    each = 400
    worker = Worker('test', lambda item: None if item % 3 else 'odd', on_error=refuse_errors)
    worker.start()
    unbalanced = []

    def produce():
        for item in range(each):
            worker.mailbox.put(item)
            if not balanced(worker.mailbox.counts()):
                unbalanced.append(item)
            if item % 50 == 0:
                time.sleep(0.001)

    threads = [threading.Thread(target=produce) for _ in range(producers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    wait_until_idle(worker)
    counts = worker.mailbox.counts()
    assert unbalanced == []
    assert counts.received == producers * each
    assert counts.waiting == 0
    assert counts.done + counts.dropped['odd'] > 0
    assert balanced(counts)


def test_a_worker_stops_and_starts_again():
    seen = []
    done = threading.Semaphore(0)

    def work(item):
        seen.append(item)
        done.release()

    worker = Worker('test', work, on_error=refuse_errors)
    assert worker.stop()
    for turn in range(3):
        worker.start()
        worker.start()
        worker.mailbox.put(turn)
        assert done.acquire(timeout=PATIENCE_S)
        assert worker.stop(PATIENCE_S)
        worker.mailbox.put('nobody is there')
    assert seen == [0, 1, 2]
    assert worker.mailbox.counts() == (6, 3, {'inactive': 3}, 0)


def test_starting_twice_makes_one_thread(gate):
    worker = Worker('twice', gate, on_error=refuse_errors)
    worker.start()
    worker.start()
    named = [thread for thread in threading.enumerate() if thread.name == 'twice']
    assert len(named) == 1
    wait_until_idle(worker)


def test_stopping_does_not_wait_for_ever_and_says_so(gate):
    worker = Worker('test', gate, on_error=refuse_errors)
    worker.start()
    worker.mailbox.put('hangs')
    gate.wait_until_entered()
    worker.mailbox.put('waits')
    assert not worker.stop(0.01)
    assert worker.mailbox.counts() == (2, 0, {'inactive': 1}, 1)
    assert worker.busy_s() > 0


def test_a_thread_left_behind_takes_no_item_of_its_successor(gate):
    worker = Worker('test', gate, on_error=refuse_errors)
    worker.start()
    worker.mailbox.put('hangs')
    gate.wait_until_entered()
    assert not worker.stop(0.01)
    worker.start()
    assert worker.busy_s() == 0
    worker.mailbox.put('next')
    gate.wait_until_entered()
    old, new = gate.threads
    assert old is not new
    gate.go_on.release()
    gate.go_on.release()
    old.join(PATIENCE_S)
    assert not old.is_alive()
    for _ in range(3):
        worker.mailbox.put('more')
        gate.wait_until_entered()
        gate.go_on.release()
    wait_until_idle(worker)
    assert set(gate.threads[2:]) == {new}
    assert worker.mailbox.counts() == (5, 5, {}, 0)


def test_work_may_stop_its_own_worker():
    stopped = threading.Event()

    def work(item):
        assert worker.stop()
        stopped.set()

    worker = Worker('test', work, on_error=refuse_errors)
    worker.start()
    worker.mailbox.put(1)
    assert stopped.wait(PATIENCE_S)


def test_an_item_that_hangs_is_given_up_and_the_next_ones_are_worked_on(gate):
    answered = []
    worker = Worker('test', gate, on_error=refuse_errors)
    worker.start()
    worker.mailbox.put('hangs')
    gate.wait_until_entered()
    hand = worker.hand()
    assert hand.item == 'hangs'
    worker.mailbox.put('waits')
    assert worker.abandon(hand, 'hung', answered.append)
    assert worker.mailbox.counts().dropped == {'hung': 1}
    gate.wait_until_entered()
    assert answered == ['hangs']
    assert worker.hanging() == worker.abandoned == 1
    assert balanced(worker.mailbox.counts())
    for _ in range(2):
        gate.go_on.release()
    old, new = gate.threads
    assert old is not new
    old.join(PATIENCE_S)
    wait_until_idle(worker)
    assert worker.mailbox.counts() == (2, 1, {'hung': 1}, 0)
    assert worker.hanging() == 0


def test_an_item_is_given_up_once_and_not_when_its_result_goes_out():
    entered, go_on, claims = threading.Semaphore(0), threading.Semaphore(0), []

    def work(item):
        if item == 'claimed':
            claims.append(worker.claim())
        entered.release()
        assert go_on.acquire(timeout=PATIENCE_S)
        if item == 'hangs':
            claims.append(worker.claim())

    worker = Worker('test', work, on_error=refuse_errors)
    worker.start()
    worker.mailbox.put('claimed')
    assert entered.acquire(timeout=PATIENCE_S)
    first = worker.hand()
    assert not worker.abandon(first, 'hung', refuse_errors)
    go_on.release()
    worker.mailbox.put('hangs')
    assert entered.acquire(timeout=PATIENCE_S)
    assert not worker.abandon(first, 'hung', refuse_errors)
    second = worker.hand()
    assert worker.abandon(second, 'hung', lambda _: None)
    assert not worker.abandon(second, 'hung', lambda _: None)
    left_behind = worker._left_behind[0]
    go_on.release()
    left_behind.join(PATIENCE_S)
    wait_until_idle(worker)
    assert claims == [True, False]
    assert worker.mailbox.counts() == (2, 1, {'hung': 1}, 0)


def test_an_answer_that_raises_does_not_end_the_new_thread(gate):
    told = []

    def fail(item):
        raise ValueError(item)

    worker = Worker('test', gate, on_error=told.append)
    worker.start()
    worker.mailbox.put('hangs')
    gate.wait_until_entered()
    assert worker.abandon(worker.hand(), 'hung', fail)
    worker.mailbox.put('next')
    gate.wait_until_entered()
    assert [str(exc) for exc in told] == ['hangs']


def test_a_stopped_worker_gives_up_nothing(gate):
    worker = Worker('test', gate, on_error=refuse_errors)
    worker.start()
    worker.mailbox.put('hangs')
    gate.wait_until_entered()
    hand = worker.hand()
    assert not worker.stop(0.01)
    assert not worker.abandon(hand, 'hung', refuse_errors)


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_a_thread_that_ended_is_replaced_and_its_item_is_counted():
    done = threading.Semaphore(0)

    def work(item):
        done.release()
        if item == 'fatal':
            raise SystemExit

    worker = Worker('test', work, on_error=refuse_errors)
    assert not worker.revive()
    worker.start()
    assert not worker.revive()
    worker.mailbox.put('fatal')
    worker._thread.join(PATIENCE_S)
    assert worker.revive()
    assert worker.restarts == 1
    worker.mailbox.put('fine')
    for _ in range(2):
        assert done.acquire(timeout=PATIENCE_S)
    wait_until_idle(worker)
    assert worker.mailbox.counts() == (2, 1, {'error': 1}, 0)
    assert not worker.revive()


def give_up_some(worker, answered, done):
    """Give up every third item that is found in hand, and look at the counters."""
    while not done.is_set():
        hand = worker.hand()
        if hand is not None and hand.item % 3 == 0:
            worker.abandon(hand, 'hung', answered.append)
        assert balanced(worker.mailbox.counts())
        time.sleep(0.0001)


def test_every_item_has_one_outcome_however_often_items_are_given_up():
    sent, answered, left_out, done = [], [], [], threading.Event()

    def work(item):
        if item % 7 == 0:
            time.sleep(0.002)
        if not worker.claim():
            return 'late'
        sent.append(item)
        return None

    worker = Worker('test', work, on_error=refuse_errors)
    worker.start()
    watcher = threading.Thread(target=give_up_some, args=(worker, answered, done))
    watcher.start()
    for item in range(3000):
        left_out.append(worker.mailbox.put(item))
        if item % 5 == 0:
            time.sleep(0.0002)
    while worker.mailbox.counts().waiting:
        time.sleep(0.001)
    done.set()
    watcher.join(PATIENCE_S)
    wait_until_idle(worker)
    counts = worker.mailbox.counts()
    replaced = [item for item in left_out if item is not None]
    assert sorted([*sent, *answered, *replaced]) == list(range(3000))
    assert counts.done == len(sent)
    assert counts.dropped.get('hung', 0) == len(answered) == worker.abandoned > 0
    assert 'late' not in counts.dropped
