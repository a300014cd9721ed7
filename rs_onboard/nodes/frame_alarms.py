# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the images and the pose that arrive, each with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.health.states import Finding, State
from rs_onboard.perception.capture import hash_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rs_onboard.nodes.frame_maker import FrameMaker
    from rs_onboard.perception.frame import Frame

# Equal images in a row after which a camera driver is taken to send the same one for ever.
FROZEN_AFTER = 30

# Ends of the names of counters, and the cause and the text that each of them means. A sample that
# is not newer than the last is no alarm: some drivers send each twice.
COUNTED = {
    '_invalid': ('bad_pose', 'samples are no numbers; left out'),
    'imu_without_attitude': ('bad_pose', 'the imu sends no attitude'),
    'no_fix': ('no_fix', 'the receiver reports no fix'),
    '_time_jump': ('time_jump', 'stamps went back; earlier samples are forgotten'),
    '_jump': ('pose_jump', 'moved faster than a vehicle can; not believed'),
    'bad_camera_info': ('bad_camera_info', 'intrinsics of no camera; tiles keep the image scale'),
}


class FrameAlarms:
    """Watches what a maker of frames makes of images and pose.

    Args:
        maker: Makes the frames and counts what was not usable.
        incident: Told (cause, text) of what happened.
    """

    def __init__(self, maker: FrameMaker, incident: Callable[[str, str], None]) -> None:
        self._maker = maker
        self._incident = incident
        self._counted = dict(self._counters())
        self._hash: int | None = None
        self._same = 0
        self._had_pose = False
        self._no_pose = ''

    def take(self, made: Frame | str, *, live: bool) -> None:
        """Look at what was made of an image.

        Args:
            made: The frame, or the name of the drop.
            live: Whether a camera that nobody else watches took it.
        """
        self._tell_counters()
        if isinstance(made, str):
            self._incident(made, self._maker.unfit)
            return
        if live:
            image_hash = hash_image(made.image)
            self._same = self._same + 1 if image_hash == self._hash else 0
            self._hash = image_hash
        self._had_pose = self._had_pose or made.pose is not None
        lost = self._had_pose and made.pose is None
        self._no_pose = f'no pose for the last image: {made.pose_reason}' if lost else ''

    def clear(self) -> None:
        """Forget earlier images."""
        self._hash, self._same, self._had_pose, self._no_pose = None, 0, False, ''

    def findings(self) -> list[Finding]:
        """Return what is wrong with the last images."""
        found = []
        if self._same + 1 >= FROZEN_AFTER:
            text = f'the same image {self._same + 1} times in a row; see to the camera'
            found.append(Finding('frozen_image', text, State.STALE))
        if self._no_pose:
            found.append(Finding('no_pose', self._no_pose))
        return found

    def _tell_counters(self) -> None:
        for name, count in self._counters():
            if count > self._counted.get(name, 0):
                self._counted[name] = count
                for end, (cause, text) in COUNTED.items():
                    if name.endswith(end):
                        self._incident(cause, f'{name}: {text}; {count} so far')
                        break

    def _counters(self) -> Iterator[tuple[str, int]]:
        yield 'image_time_jump', self._maker.time_jumps
        # Copied in one step each, since the executor's thread counts on.
        yield from list(self._maker.events.items())
        yield from list(self._maker.poses.unusual.items())
