# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The capture thread: pacing, re-opening, frozen and silent cameras, callbacks that raise."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from rs_onboard.perception.capture import Grabber, hash_image
from rs_onboard.perception.errors import SourceError
from rs_onboard.perception.source import End, Failure, Shot

PATIENCE_S = 10.0


class Camera:
    """A source that plays a script: images, reasons to fail, exceptions, events to wait for."""

    name = 'fake camera'
    skipped = 0

    def __init__(self, script, *, live=True, period_s=None, refuse=0):
        self.live = live
        self.period_s = period_s
        self.refuse = refuse
        self.opened = self.closed = 0
        self._script = iter(script)
        self._seed = 0

    def open(self):
        if self.refuse:
            self.refuse -= 1
            raise SourceError('fake camera: unplugged')
        self.opened += 1

    def read(self):
        step = next(self._script, End('fake camera: end'))
        if isinstance(step, threading.Event):
            step.wait(PATIENCE_S)
            return Failure('fake camera: woke up')
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            return Failure(step)
        if isinstance(step, int):
            return picture(step)
        return step

    def close(self):
        self.closed += 1


def picture(number, age_ns=0):
    return Shot(np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8), age_ns)


def until(condition):
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, 'waited in vain'
        time.sleep(0.002)


def grab(camera, on_frame=None, **options):
    """Start a grabber with short pauses; return it with the frames it hands on."""
    frames = []
    grabber = Grabber(
        camera,
        on_frame or (lambda image, stamp_ns: frames.append((image, stamp_ns))),
        backoff_s=options.pop('backoff_s', (0.001, 0.004)),
        **options,
    )
    grabber.start()
    return grabber, frames


def test_frames_are_handed_on_in_order_with_their_capture_time_and_then_it_ends():
    camera = Camera([picture(1), picture(2, age_ns=30)])
    grabber, frames = grab(camera, clock_ns=lambda: 1000)
    until(lambda: grabber.status().state == 'ended')
    assert [stamp for _, stamp in frames] == [1000, 970]
    assert np.array_equal(frames[1][0], picture(2).image)
    status = grabber.status()
    assert status.reason == 'fake camera: end'
    assert (status.reads, status.frames, status.failures) == (3, 2, 0)
    assert camera.closed > 0
    assert grabber.stop()


def test_a_camera_that_dies_is_opened_again_and_counted():
    camera = Camera([1, 'fake camera: no signal', 2, RuntimeError('driver'), 3])
    grabber, frames = grab(camera)
    until(lambda: grabber.status().state == 'ended')
    status = grabber.status()
    assert len(frames) == status.frames == 3
    assert (status.failures, status.reopenings, status.failed_in_a_row) == (2, 2, 0)
    assert status.reads == status.frames + status.failures + 1
    assert camera.opened == 3


def test_a_camera_missing_at_start_is_tried_again_with_growing_pauses():
    camera = Camera([1], refuse=4)
    reasons = set()
    grabber, frames = grab(camera, backoff_s=(0.02, 0.05))
    while grabber.status().state != 'ended':
        reasons.add(grabber.status().reason)
        time.sleep(0.001)
    pauses = [f'fake camera: unplugged; trying again in {s} s' for s in ('0.02', '0.04', '0.05')]
    assert reasons.issuperset(pauses)
    assert grabber.status().open_failures == 4
    assert grabber.status().reopenings == 0
    assert len(frames) == 1


def test_stopping_interrupts_the_longest_pause_at_once():
    grabber, _ = grab(Camera([], refuse=99), backoff_s=(3600.0, 3600.0))
    until(lambda: grabber.status().state == 'reopening')
    assert grabber.status().failed_in_a_row == 1
    assert grabber.stop(PATIENCE_S)
    assert grabber.status().state == 'stopped'


def test_a_paced_source_waits_and_can_be_stopped_while_it_does():
    grabber, frames = grab(Camera(range(9), live=False, period_s=3600.0), no_frame_s=0.001)
    until(lambda: frames)
    time.sleep(0.02)
    status = grabber.status()
    assert status.state == 'streaming', 'three of its own periods are allowed'
    assert status.last_frame_age_s >= 0.02
    assert grabber.stop(PATIENCE_S)
    assert len(frames) == 1


def test_pace_is_kept_on_average_and_does_not_catch_up_in_a_burst():
    times = []

    def slow_at_first(_image, _stamp_ns):
        times.append(time.monotonic())
        if len(times) == 1:
            time.sleep(0.2)

    grabber, _ = grab(Camera(range(6), live=False, period_s=0.04), slow_at_first)
    until(lambda: grabber.status().state == 'ended')
    assert times[-1] - times[0] >= 0.2 + 0.04 * 3, 'at most one frame may come early'


def test_a_frozen_camera_is_told_from_a_living_one():
    go_on = threading.Event()
    grabber, frames = grab(Camera([1, 2, 2, 2, go_on, 3]), frozen_after=2)
    until(lambda: grabber.status().state == 'frozen')
    assert 'the same image 3 times in a row' in grabber.status().reason
    assert grabber.status().repeated == 2
    go_on.set()
    until(lambda: grabber.status().state == 'ended')
    assert len(frames) == 5, 'repeated images are handed on all the same'


@pytest.mark.parametrize(('live', 'frozen_after'), [(False, 2), (True, 0), (True, 4)])
def test_nothing_freezes_that_is_a_file_or_below_the_limit(live, frozen_after):
    hold = threading.Event()
    grabber, _ = grab(Camera([2, 2, 2, 2, hold], live=live), frozen_after=frozen_after)
    until(lambda: grabber.status().frames == 4)
    assert grabber.status().state == 'streaming'
    hold.set()
    grabber.stop()


def test_a_hanging_driver_is_seen_and_blocks_neither_status_nor_stop():
    hang = threading.Event()
    grabber, _ = grab(Camera([1, hang]), no_frame_s=0.02)
    until(lambda: grabber.status().state == 'stalled')
    assert 'fake camera: no image for 0.' in grabber.status().reason
    assert not grabber.stop(0.01)
    with pytest.raises(SourceError, match='still runs; stop it first'):
        grabber.start()
    hang.set()
    until(lambda: grabber.stop(0.1))
    assert grabber.status().state == 'stopped'


def test_callbacks_that_raise_are_counted_and_the_last_error_is_told():
    def broken(_image, stamp_ns):
        raise KeyError(stamp_ns)

    grabber, _ = grab(Camera([1, 2]), broken, clock_ns=lambda: 7)
    until(lambda: grabber.status().state == 'ended')
    assert grabber.status().callback_errors == 2
    assert grabber.status().callback_error == 'KeyError: 7'
    assert grabber.status().frames == 2


def test_it_can_be_started_again_and_keeps_counting():
    camera = Camera([1, End('first'), 2])
    grabber, frames = grab(camera)
    until(lambda: grabber.status().state == 'ended')
    grabber.start()
    until(lambda: len(frames) == 2)
    until(lambda: grabber.status().state == 'ended')
    assert grabber.status().frames == 2
    assert camera.opened == 2


def test_stopping_what_never_started_does_nothing():
    grabber = Grabber(Camera([]), lambda *_: None)
    assert grabber.status().state == 'stopped'
    assert grabber.status().last_frame_age_s is None
    assert grabber.stop()


@pytest.mark.parametrize('pauses', [(0.0, 1.0), (2.0, 1.0)])
def test_pauses_that_do_not_rise_are_refused(pauses):
    with pytest.raises(SourceError, match='must be two rising times above 0'):
        Grabber(Camera([]), lambda *_: None, backoff_s=pauses)


def test_the_hash_sees_sensor_noise_and_the_same_image_in_odd_sizes():
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 3), (47, 95, 3), (720, 1280, 3)):
        image = rng.integers(0, 200, shape, dtype=np.uint8)
        assert hash_image(image) == hash_image(image.copy())
        assert hash_image(image) != hash_image(image + rng.integers(1, 3, shape, dtype=np.uint8))
