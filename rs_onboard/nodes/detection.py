# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The detection node: tiles in, oriented boxes of the frame out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.nodes.model_settings import DetectionSettings
from rs_onboard.nodes.pose_messages import terrain_of
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_making import make_detection
from rs_onboard.nodes.task_node import TaskNode
from rs_onboard.perception.results import DetectionResult

if TYPE_CHECKING:
    from rs_onboard.geo.terrain import Terrain
    from rs_onboard.inference.model import Model
    from rs_onboard.nodes.task_node import TileArrival
    from rs_onboard.perception.detection import DetectionTask
    from rs_onboard.perception.tiler import TileSet


class DetectionNode(TaskNode[DetectionResult]):
    """Finds the objects of every frame."""

    task_name = 'detection'
    settings_type = DetectionSettings
    settings: DetectionSettings

    _terrain: Terrain | None = None

    def setup(self) -> None:
        """See `TaskNode.setup`; reads the terrain model."""
        super().setup()
        self._terrain = terrain_of(self.settings)

    def tiles_of(self, arrival: TileArrival) -> TileSet:
        """See `TaskNode.tiles_of`; tiles of another process come without the terrain."""
        tiles = super().tiles_of(arrival)
        pose = tiles.pose
        if self._terrain is not None and pose is not None and pose.terrain is None:
            tiles.pose = pose.over(self._terrain)
        return tiles

    def make_task(self, model: Model) -> DetectionTask:
        """See `ModelNode.make_task`."""
        return make_detection(self.settings, model)


def main() -> None:
    """Run the detection node in a process of its own."""
    run_node(DetectionNode)
