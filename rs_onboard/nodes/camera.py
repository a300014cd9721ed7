# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The camera node: a device, stream, video or folder in, images out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import CameraInfo, Image

from rs_onboard.geo.calibration import camera_from_file
from rs_onboard.health.states import Finding, State
from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import Outlet, Writer
from rs_onboard.nodes.image_messages import camera_message, rgb8_message
from rs_onboard.nodes.lifecycle import PerceptionNode
from rs_onboard.nodes.settings import CameraSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.perception.capture import CaptureState, Grabber
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.source import SourceOptions
from rs_onboard.perception.source_uri import open_source
from rs_onboard.perception.worker import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from rs_onboard.geo.camera import CameraModel
    from rs_onboard.nodes.exchange import Exchange


# What is wrong with a source in these states.
CAUSES: Mapping[CaptureState, str] = {
    'frozen': 'frozen_image',
    'stalled': 'no_image',
    'reopening': 'no_image',
    'ended': 'source_ended',
}


class CameraNode(PerceptionNode):
    """Publishes the images of a source, for vehicles without a camera driver."""

    settings_type = CameraSettings
    settings: CameraSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__('camera', exchange, **arguments)
        self._grabber: Grabber | None = None
        self._outlet: Outlet[Frame] | None = None
        self._camera: CameraModel | None = None
        self._sequence = 0

    def setup(self) -> None:
        """Check the source; a device that is not there yet is waited for once active."""
        settings = self.settings
        if not settings.source:
            raise FieldError(
                'parameter source: found nothing; expected a device (/dev/video0), an RTSP or HTTP '
                'URL, a GStreamer pipeline, a video file or an image folder. Name one, or leave '
                'this node out when a driver publishes the images.'
            )
        source = open_source(
            settings.source,
            SourceOptions(
                rate_hz=settings.rate_hz,
                loop=settings.loop,
                width=settings.width,
                height=settings.height,
                fourcc=settings.pixel_format,
                timeout_s=settings.open_timeout_s,
            ),
        )
        if settings.calibration:
            self._camera = camera_from_file(Path(settings.calibration).expanduser())
        self._grabber = Grabber(
            source,
            self._on_frame,
            clock_ns=lambda: self.get_clock().now().nanoseconds,
            no_frame_s=settings.no_frame_timeout_s,
        )
        self._outlet = Outlet(
            self,
            self.exchange,
            names.IMAGE,
            (
                Writer(names.IMAGE, Image, lambda frame: rgb8_message(frame.header, frame.image)),
                *self._camera_info_writer(),
            ),
        )

    def start(self) -> None:
        """Begin to read."""
        assert self._grabber is not None
        self._grabber.start()

    def halt(self) -> None:
        """Stop reading."""
        if self._grabber is not None and not self._grabber.stop():
            self.complain(f'{self.settings.source}: hangs in the driver; left behind')

    def release(self) -> None:
        """Close the source."""
        self._grabber = None
        self._camera = None
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None

    def counts(self) -> Counts | None:
        """Return what became of the reads."""
        if self._grabber is None:
            return None
        status = self._grabber.status()
        dropped = {'no_image': status.failures, 'error': status.callback_errors}
        return Counts(
            received=status.frames + status.failures,
            done=status.frames - status.callback_errors,
            dropped={name: number for name, number in dropped.items() if number},
            waiting=0,
        )

    def values(self) -> dict[str, str]:
        """Return how the source is doing."""
        if self._grabber is None:
            return {}
        status = self._grabber.status()
        age = status.last_frame_age_s
        return {
            'source': status.state,
            'reopenings': str(status.reopenings),
            'repeated': str(status.repeated),
            'skipped': str(status.skipped),
            'last_frame_age_s': '' if age is None else f'{age:.2f}',
        }

    def findings(self) -> list[Finding]:
        """Return what is wrong with the source."""
        if self._grabber is None:
            return []
        status = self._grabber.status()
        cause = CAUSES.get(status.state)
        if cause is None:
            return []
        return [Finding(cause, f'{status.state}: {status.reason}', State.STALE)]

    def _camera_info_writer(self) -> tuple[Writer[Frame], ...]:
        if self._camera is None:
            return ()

        def convert(frame: Frame) -> CameraInfo:
            assert frame.camera is not None
            return camera_message(frame.header, frame.camera)

        return (Writer(names.CAMERA_INFO, CameraInfo, convert),)

    def _on_frame(self, image: NDArray[np.uint8], stamp_ns: int) -> None:
        height, width = image.shape[:2]
        camera = self._camera
        if camera is not None and (camera.width, camera.height) != (width, height):
            camera = camera.scaled_to(width, height)
        header = FrameHeader(
            stamp_ns=stamp_ns,
            frame_id=self.settings.frame_id,
            sequence=self._sequence,
            height=height,
            width=width,
            received_ns=time.perf_counter_ns(),
        )
        self._sequence += 1
        assert self._outlet is not None
        self._outlet.send(Frame(header, image, camera))


def main() -> None:
    """Run the camera in a process of its own."""
    run_node(CameraNode)
