# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of a bag, as the tiler node makes them of topics, with nothing lost on the way."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from rs_onboard.nodes.frame_maker import FrameMaker
from rs_onboard.replay.errors import BagError
from rs_onboard.replay.topic_choice import MOUNT_FROM_TF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rs_onboard.nodes.node_settings import FrameSettings
    from rs_onboard.perception.frame import Frame
    from rs_onboard.replay.alarms import Alarms
    from rs_onboard.replay.reader import Bag, BagMessage
    from rs_onboard.replay.topic_choice import TopicChoice


class FedFrame(NamedTuple):
    """A frame and when its image was recorded (ns)."""

    frame: Frame
    log_time_ns: int


class Feed:
    """Reads a bag in the order of its log times and makes frames.

    An image waits for the pose samples after it as it does in the graph: until every source has
    one, or for `pose_wait_ms` of the bag's time. Like there, heights get the time they come at.

    Args:
        bag: Open bag.
        choice: Its topics.
        settings: Topics and limits.
        alarms: Told what is wrong.

    Attributes:
        received: Images met.
        dropped: Images that gave no frame, by the name of the drop.
        last_ns: Log time of the message read last.
    """

    def __init__(
        self, bag: Bag, choice: TopicChoice, settings: FrameSettings, alarms: Alarms
    ) -> None:
        self.received = 0
        self.last_ns = 0
        self.dropped: Counter[str] = Counter()
        self._bag = bag
        self._image_topic = choice.image
        self._alarms = alarms
        self._max_age_s = settings.max_age_s
        self._wait_ns = int(settings.pose_wait_ms * 1e6)
        self._maker = FrameMaker(settings, lambda text: alarms.add('tiler', 'warn', text))
        takers: dict[str, Callable[[Any, int], None]] = {
            'camera_info_topic': lambda message, _: self._maker.add_camera_info(message),
            'fix_topic': lambda message, _: self._maker.add_fix(message),
            'imu_topic': lambda message, _: self._maker.add_imu(message),
            'gimbal_topic': lambda message, _: self._maker.add_gimbal(message),
            'height_topic': self._maker.add_height,
            MOUNT_FROM_TF: lambda message, _: self._maker.add_static_frames(message),
        }
        self._takers = {topic: takers[name] for name, topic in choice.topics.items()}
        self._waiting: deque[BagMessage] = deque()

    def frames(self) -> Iterator[FedFrame]:
        """Yield the frames, in the order of their log times."""
        topics = [self._image_topic, *self._takers]
        for message in self._bag.messages(topics, strict=False):
            self.last_ns = message.log_time_ns
            yield from self._released(message.log_time_ns)
            if message.topic == self._image_topic:
                self._waiting.append(message)
            else:
                self._take(message)
        while self._waiting:
            yield from self._made(self._waiting.popleft())

    def values(self) -> dict[str, str]:
        """Return the counters of camera and pose, as the tiler has them in its diagnostics."""
        return self._maker.values()

    def _released(self, now_ns: int) -> Iterator[FedFrame]:
        """Yield the frames before a time whose pose is complete, or that waited long enough.

        Messages of one instant have no order, so none of them is left out.
        """
        while self._waiting and now_ns > self._waiting[0].log_time_ns:
            first = self._waiting[0]
            late = now_ns > first.log_time_ns + self._wait_ns
            stamp_ns = first.log_time_ns if first.stamp_ns is None else first.stamp_ns
            if not late and not self._maker.poses.wait_for(stamp_ns, 0.0):
                return
            yield from self._made(self._waiting.popleft())

    def _made(self, image: BagMessage) -> Iterator[FedFrame]:
        self.received += 1
        message = self._decoded(image)
        if message is None:
            self.dropped['bad_image'] += 1
            return
        frame = self._maker.frame(
            message, received_ns=0, now_ns=image.log_time_ns, max_age_s=self._max_age_s
        )
        if isinstance(frame, str):
            self.dropped[frame] += 1
        else:
            yield FedFrame(frame, image.log_time_ns)

    def _take(self, message: BagMessage) -> None:
        decoded = self._decoded(message)
        if decoded is not None:
            self._takers[message.topic](decoded, message.log_time_ns)

    def _decoded(self, message: BagMessage) -> Any:
        try:
            return self._bag.decode(message)
        except BagError as exc:
            self._alarms.add('bag', 'warn', str(exc))
            return None
