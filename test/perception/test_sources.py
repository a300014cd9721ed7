# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Devices, streams, pipelines, videos and folders, and the texts that name them."""

from __future__ import annotations

import http.server
import math
import os
import shutil
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rs_onboard.perception import video_source
from rs_onboard.perception.capture import Grabber
from rs_onboard.perception.errors import SourceError
from rs_onboard.perception.source import End, Failure, Shot, SourceOptions
from rs_onboard.perception.source_uri import open_source, source_kind

AERIAL = Path(__file__).parents[1] / 'data' / 'images' / 'aerial.jpg'
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
HAS_FFMPEG = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
HAS_GSTREAMER = cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER)


def flat(rgb, size=(48, 64)):
    return np.full((*size, 3), rgb[::-1], np.uint8)


@pytest.fixture
def video(tmp_path):
    """Write red, green, blue and white, 10 a second."""
    path = tmp_path / 'flight.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    assert writer.isOpened()
    for rgb in COLOURS:
        writer.write(flat(rgb))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path):
    """Write four images whose natural order is not that of their text, and what is no image."""
    path = tmp_path / 'images'
    path.mkdir()
    names = ('img_2.png', 'img_10.PNG', 'Img_11.png', 'img_100.png')
    for name, rgb in zip(names, COLOURS, strict=True):
        (path / name).write_bytes(cv2.imencode('.png', flat(rgb))[1].tobytes())
    (path / '._img_1.png').write_bytes(b'finder')
    (path / 'notes.txt').write_text('windy')
    return path


def colour(reading):
    assert isinstance(reading, Shot), reading
    return tuple(int(value > 128) * 255 for value in reading.image[20, 20])


def test_video_gives_rgb_at_its_own_rate_and_ends(video):
    source = open_source(str(video))
    source.open()
    assert source.period_s == pytest.approx(0.1)
    assert [colour(source.read()) for _ in COLOURS] == COLOURS
    end = source.read()
    assert isinstance(end, End)
    assert 'end after 4 of 4 images' in end.reason
    source.close()
    source.open()
    assert colour(source.read()) == COLOURS[0]
    source.close()


def test_video_in_a_loop_begins_again(video):
    source = open_source(f'file://{video}', SourceOptions(loop=True, rate_hz=math.inf))
    source.open()
    assert source.period_s == 0.0
    assert [colour(source.read()) for _ in range(10)] == [*COLOURS, *COLOURS, *COLOURS[:2]]
    source.close()


def test_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / 'flight.mp4'
    path.write_bytes(b'not a video' * 100)
    with pytest.raises(SourceError, match=r'flight\.mp4: not a video that OpenCV .* reads'):
        open_source(str(path)).open()


def test_folder_is_read_in_natural_order_and_ends(folder):
    source = open_source(str(folder), SourceOptions(rate_hz=4))
    source.open()
    assert source.period_s == 0.25
    assert [colour(source.read()) for _ in COLOURS] == COLOURS
    assert 'end after 4 images' in source.read().reason


def test_folder_passes_over_and_counts_what_cannot_be_read(folder):
    (folder / 'img_2.png').write_bytes(b'\x89PNG\r\n\x1a\n and nothing more')
    (folder / 'img_3.jpg').write_bytes(AERIAL.read_bytes()[:9000])
    (folder / 'img_4.png').mkdir()
    source = open_source(str(folder), SourceOptions(loop=True))
    source.open()
    assert [colour(source.read()) for _ in range(4)] == [*COLOURS[1:], COLOURS[1]]
    assert source.skipped == 6


@pytest.mark.parametrize('loop', [False, True])
def test_folder_of_nothing_readable_fails_instead_of_spinning(folder, loop):
    for path in folder.iterdir():
        path.write_bytes(b'')
    source = open_source(str(folder), SourceOptions(loop=loop))
    source.open()
    reading = source.read()
    assert isinstance(reading, Failure)
    assert 'none of its 4 images can be read' in reading.reason


def test_folder_without_images_is_named_before_it_is_opened(tmp_path):
    (tmp_path / 'readme.txt').write_text('')
    with pytest.raises(
        SourceError, match=r'no images in this folder; looked for \*\.jpg, \*\.jpeg'
    ):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ('uri', 'kind'),
    [
        ('0', 'device'),
        (' /dev/v4l/by-id/usb-cam ', 'device'),
        ('rtsp://10.0.0.2:8554/main', 'stream'),
        ('HTTP://10.0.0.2/mjpeg', 'stream'),
        ('udp://@:5600', 'stream'),
        ('gst:videotestsrc!appsink', 'pipeline'),
        ('nvarguscamerasrc ! appsink', 'pipeline'),
        (str(AERIAL.parent), 'folder'),
        (f'file://{AERIAL.parent}', 'folder'),
        (__file__, 'video'),
    ],
)
def test_the_text_tells_the_kind(uri, kind):
    assert source_kind(uri)[0] == kind


@pytest.mark.parametrize(
    ('uri', 'message'),
    [
        ('', 'names nothing; give a device'),
        ('no/such/flight.mp4', r'no/such/flight\.mp4: no such file or folder \(looked from /'),
        ('ftp://me:secret@host/x', r"'ftp://\*\*\*@host/x' has the scheme 'ftp'; allowed are rtsp"),
        (str(AERIAL), r'is one image; give its folder, .*images$'),
    ],
)
def test_what_names_no_source_is_refused(uri, message):
    with pytest.raises(SourceError, match=message):
        open_source(uri)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'rate_hz': -1.0}, r'rate_hz: -1\.0, must be 0'),
        ({'rate_hz': math.nan}, 'rate_hz: nan'),
        ({'width': -2}, 'width: -2'),
        ({'fourcc': 'MJPEG'}, "fourcc: 'MJPEG', must be empty or four"),
        ({'timeout_s': 0.0}, r'timeout_s: 0\.0, must be above 0'),
        ({'timeout_s': math.inf}, 'timeout_s: inf'),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(SourceError, match=message):
        SourceOptions(**options)


def test_missing_device_is_named_with_those_that_are_there():
    with pytest.raises(SourceError, match=r'/dev/video987: no such device; cameras here: '):
        open_source('987').open()


def test_file_in_place_of_a_device_is_named(tmp_path, monkeypatch):
    path = tmp_path / 'video0'
    path.touch()
    with pytest.raises(SourceError, match='not a video device; take one of'):
        video_source.Device(str(path), SourceOptions()).open()
    monkeypatch.setattr(os, 'access', lambda *_: False)
    with pytest.raises(SourceError, match='add this user to the group `video`'):
        open_source('/dev/null').open()


def test_device_that_opens_to_nothing_tells_what_may_hold_it():
    with pytest.raises(SourceError, match=r'/dev/null: gives no images; another program may hold'):
        open_source('/dev/null').open()


def test_device_is_asked_for_its_format_and_dates_frames_by_the_driver(monkeypatch):
    asked = {}
    taken = SimpleNamespace(seconds=time.monotonic() - 0.05)

    class Driver:
        def __init__(self, target, backend):
            assert (target, backend) == ('/dev/null', cv2.CAP_V4L2)

        def isOpened(self):  # noqa: N802  OpenCV's name
            return True

        def set(self, prop, value):
            asked[prop] = value

        def get(self, prop):
            assert prop == cv2.CAP_PROP_POS_MSEC
            return taken.seconds * 1000

        def read(self):
            return True, flat(COLOURS[0])

        def release(self):
            pass

    monkeypatch.setattr(cv2, 'VideoCapture', Driver)
    source = open_source('/dev/null', SourceOptions(width=1920, fourcc='MJPG', rate_hz=30))
    source.open()
    assert asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*'MJPG')
    assert asked[cv2.CAP_PROP_FRAME_WIDTH] == 1920
    assert asked[cv2.CAP_PROP_FPS] == 30
    assert cv2.CAP_PROP_FRAME_HEIGHT not in asked
    shot = source.read()
    assert colour(shot) == COLOURS[0]
    assert 50e6 <= shot.age_ns < 1e9
    for seconds in (time.time(), 0.0):
        taken.seconds = seconds
        assert source.read().age_ns == 0, 'a stamp of another clock says nothing'


@pytest.mark.skipif(HAS_GSTREAMER, reason='this OpenCV has GStreamer')
def test_pipeline_without_gstreamer_says_how_to_get_it():
    with pytest.raises(SourceError, match=r'is built without GStreamer; install the system'):
        open_source('videotestsrc ! appsink')


@pytest.mark.skipif(not HAS_GSTREAMER, reason='this OpenCV has no GStreamer')
def test_pipeline_without_an_appsink_says_how_to_end_it():
    with pytest.raises(SourceError, match='has no appsink; end it with'):
        open_source('videotestsrc ! fakesink')


class MjpegCamera(http.server.BaseHTTPRequestHandler):
    """Sends images until told to be quiet."""

    quiet = threading.Event()
    over = threading.Event()

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        self.end_headers()
        image = cv2.imencode('.jpg', flat(COLOURS[0]))[1].tobytes()
        part = b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n' % len(image)
        try:
            while not self.quiet.is_set() and not self.over.is_set():
                self.wfile.write(part + image + b'\r\n')
                time.sleep(0.02)
            self.over.wait()
        except OSError:
            return

    def log_message(self, *_):
        pass


@pytest.mark.skipif(not HAS_FFMPEG, reason='this OpenCV has no FFmpeg')
def test_http_stream_is_read_and_its_silence_times_out():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), MjpegCamera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://pilot:secret@127.0.0.1:{server.server_address[1]}/stream.mjpg'
    source = open_source(url, SourceOptions(timeout_s=1.0))
    try:
        source.open()
        assert source.live
        assert [colour(source.read()) for _ in range(3)] == [COLOURS[0]] * 3
        MjpegCamera.quiet.set()
        readings = []
        while not readings or isinstance(readings[-1], Shot):
            readings.append(source.read())
        assert 'gave no image' in readings[-1].reason
        assert 'secret' not in readings[-1].reason
    finally:
        source.close()
        MjpegCamera.over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(not HAS_FFMPEG, reason='this OpenCV has no FFmpeg')
@pytest.mark.parametrize('scheme', ['rtsp', 'http'])
def test_server_that_accepts_and_is_silent_times_out(scheme):
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        server.listen()
        url = f'{scheme}://me:secret@127.0.0.1:{server.getsockname()[1]}/live'
        with pytest.raises(
            SourceError, match=r'\*\*\*@127.*no video within 0\.5 s; check'
        ) as caught:
            open_source(url, SourceOptions(timeout_s=0.5)).open()
    assert 'secret' not in str(caught.value)


def test_source_vanishing_while_it_loops_is_a_source_error(video):
    source = open_source(str(video), SourceOptions(loop=True))
    source.open()
    for _ in COLOURS:
        source.read()
    shutil.move(video, video.with_suffix('.gone'))
    with pytest.raises(SourceError, match=r'flight\.avi'):
        source.read()


def test_a_video_runs_through_the_capture_thread(video):
    colours = []
    grabber = Grabber(
        open_source(str(video), SourceOptions(rate_hz=math.inf)),
        lambda image, _stamp_ns: colours.append(colour(Shot(image))),
    )
    grabber.start()
    give_up = time.monotonic() + 10
    while grabber.status().state != 'ended' and time.monotonic() < give_up:
        time.sleep(0.005)
    assert colours == COLOURS
    assert grabber.status().reason.endswith('end after 4 of 4 images')
    assert grabber.stop()


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('rtsp://10.0.0.2/main', 'rtsp://10.0.0.2/main'),
        ('rtsp://me:p@ss@10.0.0.2:8554/main?x=1', 'rtsp://***@10.0.0.2:8554/main?x=1'),
        ('rtsp://me:secret@[bad/main', 'rtsp://...'),
    ],
)
def test_passwords_do_not_reach_messages(url, shown):
    assert video_source.without_password(url) == shown


def test_folder_that_vanished_is_a_source_error(folder):
    source = open_source(str(folder))
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match='the folder cannot be read: No such file'):
        source.open()
