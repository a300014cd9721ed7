# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Calls of a model are timed from outside, and late answers are thrown away."""

from __future__ import annotations

import threading

import pytest

from rs_onboard.inference.calls import CallWatch
from rs_onboard.inference.errors import AbandonedError, ModelError

PATIENCE_S = 20.0


class HangingRuntime:
    """Hangs in every call until it is released."""

    def __init__(self):
        self.entered = threading.Event()
        self.released = threading.Event()
        self.calls = 0

    def run(self, feeds):
        self.calls += 1
        self.entered.set()
        assert self.released.wait(PATIENCE_S)
        return feeds


class QuickRuntime:
    def run(self, feeds):
        return feeds


class FailingRuntime:
    def run(self, feeds):
        raise ModelError('no memory')


def test_an_answer_is_handed_through_and_nothing_runs_afterwards():
    watch = CallWatch()
    assert watch.run(QuickRuntime(), {'tiles': 1}) == {'tiles': 1}
    assert watch.since_ns() == 0


def test_a_failure_is_handed_through_and_ends_the_call():
    watch = CallWatch()
    with pytest.raises(ModelError, match='no memory'):
        watch.run(FailingRuntime(), {})
    assert watch.since_ns() == 0


def test_a_call_that_is_given_up_ends_in_an_error_and_so_do_later_ones():
    watch, runtime, errors = CallWatch(), HangingRuntime(), []

    def call():
        try:
            watch.run(runtime, {})
        except AbandonedError as exc:
            errors.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    assert runtime.entered.wait(PATIENCE_S)
    assert watch.since_ns() > 0
    watch.give_up('too slow')
    runtime.released.set()
    thread.join(PATIENCE_S)
    assert str(errors[0]) == 'too slow'
    with pytest.raises(AbandonedError):
        watch.run(runtime, {})
    assert runtime.calls == 1
