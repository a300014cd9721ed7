# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Sources that OpenCV reads: V4L2 devices, network streams, GStreamer pipelines, video files.

The only sockets ever opened are those of a URL or pipeline that the user configured.
"""

from __future__ import annotations

import math
import os
import stat
import time
from abc import ABC, abstractmethod
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np

from rs_onboard.perception.errors import SourceError
from rs_onboard.perception.source import End, Failure, Reading, Shot, SourceOptions

# Where a video does not say, or says nonsense.
VIDEO_RATE_HZ = 30.0
MAX_VIDEO_RATE_HZ = 1000.0

# A driver's stamp older than this is of another clock, not an old frame.
MAX_DRIVER_AGE_NS = 2_000_000_000


class CaptureSource(ABC):
    """What all sources that OpenCV reads have in common."""

    live = True
    period_s: float | None = None
    skipped = 0

    def __init__(self, target: str, options: SourceOptions) -> None:
        self.name = target
        self._target = target
        self._options = options
        self._capture: cv2.VideoCapture | None = None

    @abstractmethod
    def _connect(self) -> cv2.VideoCapture:
        """Return a capture that may be read, or raise SourceError."""

    def open(self) -> None:
        """Open it, or do nothing where it is open. Raises SourceError."""
        if self._capture is None:
            self._capture = self._connect()

    def read(self) -> Reading:
        """Read the next image."""
        if self._capture is None:
            return Failure(f'{self.name}: not open')
        ok, image = self._capture.read()
        if not ok or image is None or image.ndim != 3:
            return self._no_image()
        return Shot(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)), self._age_ns())

    def close(self) -> None:
        """Close it, or do nothing where it is closed."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _no_image(self) -> Reading:
        return Failure(f'{self.name}: gave no image')

    def _age_ns(self) -> int:
        return 0

    def _timeouts(self) -> list[int]:
        timeout_ms = round(self._options.timeout_s * 1000)
        return [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms),
        ]


class Device(CaptureSource):
    """A V4L2 device: its path, or its number."""

    def __init__(self, target: str, options: SourceOptions) -> None:
        super().__init__(f'/dev/video{target}' if target.isdigit() else target, options)

    def _connect(self) -> cv2.VideoCapture:
        path = Path(self._target)
        if not path.exists():
            there = ', '.join(sorted(map(str, Path('/dev').glob('video*')))) or 'none'
            raise SourceError(
                f'{self.name}: no such device; cameras here: {there}. Is it plugged in?'
            )
        if not stat.S_ISCHR(path.stat().st_mode):
            raise SourceError(
                f'{self.name}: not a video device; take one of `v4l2-ctl --list-devices`'
            )
        if not os.access(path, os.R_OK | os.W_OK):
            raise SourceError(f'{self.name}: not permitted; add this user to the group `video`')
        capture = cv2.VideoCapture(self._target, cv2.CAP_V4L2)
        if not capture.isOpened():
            raise SourceError(
                f'{self.name}: gives no images; another program may hold it (`fuser {self.name}`) '
                'or it is the metadata node of a camera (`v4l2-ctl --list-devices`)'
            )
        options = self._options
        if options.fourcc:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
        for prop, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, options.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, options.height),
            (cv2.CAP_PROP_FPS, options.rate_hz if math.isfinite(options.rate_hz) else 0),
            # An old frame in the driver's queue is worth nothing; drivers may ignore this.
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            if value:
                capture.set(prop, value)
        return capture

    def _age_ns(self) -> int:
        """Age by the driver's stamp, which for V4L2 is of the monotonic clock."""
        if self._capture is None:
            return 0
        taken_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        age_ns = time.monotonic_ns() - taken_ns
        return age_ns if 0 <= age_ns <= MAX_DRIVER_AGE_NS else 0


class Stream(CaptureSource):
    """An RTSP, HTTP, UDP or TCP stream.

    FFmpeg's own options (transport, buffering) are taken from OpenCV's environment variable
    OPENCV_FFMPEG_CAPTURE_OPTIONS, for example `rtsp_transport;udp|fflags;nobuffer`.
    """

    def __init__(self, target: str, options: SourceOptions) -> None:
        super().__init__(target, options)
        self.name = without_password(target)

    def _connect(self) -> cv2.VideoCapture:
        has_ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
        backend = cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY
        capture = cv2.VideoCapture(self._target, backend, self._timeouts())
        if not capture.isOpened():
            raise SourceError(
                f'{self.name}: no video within {self._options.timeout_s:g} s; check address, port, '
                f'password and network, for example with `ffprobe {self.name}`'
            )
        return capture


class Pipeline(CaptureSource):
    """A GStreamer pipeline that ends in an appsink; `gst:` before it is allowed."""

    def __init__(self, target: str, options: SourceOptions) -> None:
        super().__init__(target.removeprefix('gst:').strip(), options)
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise SourceError(
                f'{self.name}: OpenCV {cv2.__version__} is built without GStreamer; install '
                "the system's (`apt install python3-opencv`; on a Jetson it is there) in place of "
                "pip's, or give an rtsp:// URL"
            )
        if 'appsink' not in self._target:
            raise SourceError(
                f'{self.name}: the pipeline has no appsink; end it with '
                '`! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1`'
            )

    def _connect(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self._target, cv2.CAP_GSTREAMER, self._timeouts())
        if not capture.isOpened():
            raise SourceError(
                f'{self.name}: the pipeline does not start; try it with `gst-launch-1.0`, '
                'autovideosink in place of appsink'
            )
        return capture


class VideoFile(CaptureSource):
    """A video file, at its own rate or another, once or in a loop."""

    live = False

    def __init__(self, target: str, options: SourceOptions) -> None:
        super().__init__(target, options)
        self._read_since_open = 0

    def _connect(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self._target)
        if not capture.isOpened():
            raise SourceError(
                f'{self.name}: not a video that OpenCV {cv2.__version__} reads; `ffprobe` tells '
                'what it is, an MP4 with H.264 is safe'
            )
        rate_hz = self._options.rate_hz
        if not rate_hz:
            recorded = capture.get(cv2.CAP_PROP_FPS)
            rate_hz = recorded if 0 < recorded <= MAX_VIDEO_RATE_HZ else VIDEO_RATE_HZ
        self.period_s = 1.0 / rate_hz
        self._read_since_open = 0
        return capture

    def read(self) -> Reading:
        """Read the next image."""
        reading = super().read()
        if isinstance(reading, End) and self._options.loop:
            # Seeking to the start is not exact with every codec; opening is.
            self.close()
            self.open()
            reading = super().read()
        self._read_since_open += isinstance(reading, Shot)
        return reading

    def _no_image(self) -> Reading:
        if not self._read_since_open or self._capture is None:
            return Failure(f'{self.name}: the video has no readable image')
        told = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        of = f' of {told}' if told > 0 else ''
        return End(f'{self.name}: end after {self._read_since_open}{of} images')


def without_password(url: str) -> str:
    """Replace user and password of a URL for messages and logs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition('://')[0] + '://...'
    if '@' not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc='***@' + parts.netloc.rpartition('@')[2]))
