# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The change node: frames in, what changed against a reference map out.

It works on every k-th frame in a thread of its own, and nobody waits for it: its results come when
they are done, with the stamp of the frame they are about.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import CompressedImage

from rs_onboard.health.states import Finding
from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import Outlet, Writer
from rs_onboard.nodes.frame_source import Arrival, FrameSource
from rs_onboard.nodes.image_messages import unsized_header
from rs_onboard.nodes.model_node import GIVEN_UP, ModelNode
from rs_onboard.nodes.model_settings import ChangeSettings
from rs_onboard.nodes.overlay_message import Comparison, comparison_message
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_making import make_change
from rs_onboard.perception.frame import Frame, FrameHeader
from rs_onboard.perception.map_change import MapChangeTask
from rs_onboard.perception.results import ChangeResult

if TYPE_CHECKING:
    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.exchange import Exchange


class ChangeNode(ModelNode[Arrival, ChangeResult]):
    """Compares every k-th frame with a reference map."""

    task_name = 'change'
    settings_type = ChangeSettings
    settings: ChangeSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__(exchange, **arguments)
        self._source: FrameSource | None = None
        self._pictures: Outlet[Comparison] | None = None
        self._seen = 0
        self._states: Counter[str] = Counter()
        self._unmatched = ''

    def make_task(self, model: Model) -> MapChangeTask:
        """See `ModelNode.make_task`."""
        task = make_change(self.settings, model)
        info = task.reference.info
        self.get_logger().info(
            f'reference map {info.name} of {info.date or "an unknown date"}, {info.gsd_m:.2f} m/px'
        )
        return task

    def setup(self) -> None:
        """See `ModelNode.setup`."""
        super().setup()
        self._seen, self._unmatched = 0, ''
        self._pictures = Outlet(
            self,
            self.exchange,
            names.CHANGE_OVERLAY,
            (Writer(names.CHANGE_OVERLAY, CompressedImage, comparison_message),),
        )

    def connect_inputs(self) -> None:
        """See `ModelNode.connect_inputs`."""
        if self.exchange.connect(self.resolve_topic_name(names.FRAMES), self._on_frame):
            return
        self._source = FrameSource(self, self.settings, self._on_arrival)
        self._source.start()

    def disconnect_inputs(self) -> None:
        """See `ModelNode.disconnect_inputs`."""
        self.exchange.disconnect(self.resolve_topic_name(names.FRAMES), self._on_frame)
        if self._source is not None:
            self._source.stop()
            self._source = None

    def release(self) -> None:
        """Free the model and close the map."""
        if isinstance(self._task, MapChangeTask):
            self._task.reference.source.close()
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None
        super().release()

    def values(self) -> dict[str, str]:
        """Return the model, the map, and how frames lie on it."""
        values = super().values()
        if isinstance(self._task, MapChangeTask):
            info = self._task.reference.info
            values |= {'map': info.name, 'map_date': info.date, 'map_path': str(info.path)}
            values |= {f'frames.{name}': str(n) for name, n in sorted(dict(self._states).items())}
        if self._source is not None:
            values |= self._source.values()
        return values

    def findings(self) -> list[Finding]:
        """See `PerceptionNode.findings`."""
        found = super().findings()
        if self._unmatched:
            found.append(Finding('no_match', self._unmatched))
        return found + (self._source.findings() if self._source is not None else [])

    def header_of(self, arrival: Arrival) -> FrameHeader:
        """See `ModelNode.header_of`."""
        if isinstance(arrival.item, Frame):
            return arrival.item.header
        return unsized_header(arrival.item.header, arrival.received_ns)

    def _on_frame(self, frame: Frame) -> None:
        self._on_arrival(Arrival(frame, time.perf_counter_ns()))

    def _on_arrival(self, arrival: Arrival) -> None:
        self._seen += 1
        if (self._seen - 1) % self.settings.every:
            self._worker.mailbox.refuse('not_its_turn')
        else:
            self._worker.mailbox.put(arrival)

    def _frame(self, arrival: Arrival) -> Frame | str:
        if self._source is not None:
            return self._source.frame(arrival)
        # One that the tiler of this process made, with camera and pose.
        return arrival.item if isinstance(arrival.item, Frame) else 'inactive'

    def _work(self, arrival: Arrival) -> str | None:
        frame = self._frame(arrival)
        if isinstance(frame, str):
            return frame
        waited_ms = (time.perf_counter_ns() - arrival.received_ns) / 1e6
        task = self._task
        assert isinstance(task, MapChangeTask)
        try:
            result = task.run(frame)
        except Exception as exc:  # noqa: BLE001  (a frame without memory left, for instance)
            result = task.failed(frame, f'unexpected {type(exc).__name__}: {exc}')
        assert result.match is not None
        self._states[result.match.state] += 1
        self._unmatched = result.match.reason
        drop = None
        try:
            drop = self.send(result, waited_ms)
            return drop
        finally:
            if self._pictures is not None and drop != GIVEN_UP:
                self._pictures.send(Comparison(frame, result, task.before))


def main() -> None:
    """Run the change node in a process of its own."""
    run_node(ChangeNode)
