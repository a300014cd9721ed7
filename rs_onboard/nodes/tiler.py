# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The tiler node: images and pose in, tiles for every task out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from vision_msgs.msg import BoundingBox2DArray

from rs_onboard.nodes import names
from rs_onboard.nodes.budget_link import BudgetLink
from rs_onboard.nodes.exchange import Outlet, Writer
from rs_onboard.nodes.frame_source import Arrival, FrameSource
from rs_onboard.nodes.lifecycle import PerceptionNode
from rs_onboard.nodes.result_messages import scale_message
from rs_onboard.nodes.selection_values import selection_values
from rs_onboard.nodes.settings import TilerSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_making import make_tiler
from rs_onboard.nodes.tile_messages import layout_message, tiles_message
from rs_onboard.perception.errors import TileError
from rs_onboard.perception.worker import Counts, Worker

if TYPE_CHECKING:
    from typing import Any

    from diagnostic_msgs.msg import DiagnosticStatus

    from rs_onboard.health.states import Finding
    from rs_onboard.inference.card import TaskName
    from rs_onboard.nodes.exchange import Exchange
    from rs_onboard.perception.frame import Frame
    from rs_onboard.perception.tiler import CutTiles


class TilerNode(PerceptionNode):
    """Cuts every frame into the tiles each task wants."""

    settings_type = TilerSettings
    settings: TilerSettings

    def __init__(self, exchange: Exchange | None = None, **arguments: Any) -> None:
        super().__init__('tiler', exchange, **arguments)
        self._worker: Worker[Arrival] = Worker('tiler', self._work, on_error=self.lost)
        self._outlets: dict[TaskName, Outlet[CutTiles]] = {}
        self._frames: Outlet[Frame] | None = None
        self._budget: BudgetLink | None = None

    def setup(self) -> None:
        """Read the model cards and lay out the plans."""
        self._tiler = make_tiler(self.settings)
        self._source = FrameSource(self, self.settings, self._worker.mailbox.put)
        self._frames = Outlet(self, self.exchange, names.FRAMES)
        self._outlets = {task: self._outlet(task) for task in self._tiler.plans}
        self._budget = BudgetLink(self, self._tiler)

    def start(self) -> None:
        """Take frames."""
        assert self._budget is not None
        self._budget.start()
        self._worker.start()
        self._source.start()

    def halt(self) -> None:
        """Take no more frames."""
        if self._frames is not None:
            self._source.stop()
        if self._budget is not None:
            self._budget.stop()
        if not self._worker.stop():
            self.complain('hangs in a frame; left behind')

    def release(self) -> None:
        """Destroy the publishers."""
        for outlet in self._outlets.values():
            outlet.close()
        self._outlets = {}
        self._frames = None
        if self._budget is not None:
            self._budget.close()
            self._budget = None

    def counts(self) -> Counts:
        """Return what became of the images."""
        return self._worker.mailbox.counts()

    def values(self) -> dict[str, str]:
        """Return the counters of image and pose sources."""
        return {} if self._frames is None else self._source.values()

    def findings(self) -> list[Finding]:
        """See `PerceptionNode.findings`."""
        return [] if self._frames is None else self._source.findings()

    def entries(self) -> list[DiagnosticStatus]:
        """Return the plan of the latency budget."""
        return [] if self._budget is None else [self._budget.entry()]

    def workers(self) -> list[Worker[Any]]:
        """See `PerceptionNode.workers`."""
        return [self._worker]

    def _outlet(self, task: TaskName) -> Outlet[CutTiles]:
        return Outlet(
            self,
            self.exchange,
            names.tiles(task),
            (
                Writer(names.tiles(task), Image, tiles_message),
                Writer(names.layout(task), BoundingBox2DArray, layout_message),
                Writer(
                    names.report(names.tiles(task)),
                    DiagnosticArray,
                    lambda tiles: scale_message(
                        tiles.header,
                        task,
                        tiles.scale,
                        tiles.camera,
                        tiles.pose,
                        selection_values(tiles.selection, tiles.grid),
                    ),
                ),
            ),
        )

    def _work(self, arrival: Arrival) -> str | None:
        frame = self._source.frame(arrival)
        if isinstance(frame, str):
            return frame
        try:
            tiles = self._tiler.cut(frame)
        except TileError as exc:
            self.incident('too_many_tiles', str(exc))
            return 'too_many_tiles'
        assert self._frames is not None
        assert self._budget is not None
        tiles = self._budget.apply(tiles)
        self._frames.send(frame)
        for task, outlet in self._outlets.items():
            outlet.send(tiles[task])
        return None


def main() -> None:
    """Run the tiler in a process of its own."""
    run_node(TilerNode)
