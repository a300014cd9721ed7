# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The scene node: tiles in, scene classes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vision_msgs.msg import Classification, Detection2DArray

from rs_onboard.nodes import names
from rs_onboard.nodes.exchange import Writer
from rs_onboard.nodes.result_messages import classification_message, scene_tiles_message
from rs_onboard.nodes.settings import SceneSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_node import TaskNode
from rs_onboard.perception.results import SceneResult
from rs_onboard.perception.scene import SceneTask

if TYPE_CHECKING:
    from rs_onboard.inference.model import Model


class SceneNode(TaskNode[SceneResult]):
    """Classifies the scene of every frame."""

    task_name = 'scene'
    settings_type = SceneSettings
    settings: SceneSettings

    def make_task(self, model: Model) -> SceneTask:
        """See `TaskNode.make_task`."""
        return SceneTask(model, batch=self.settings.batch)

    def result_writers(self) -> tuple[Writer[SceneResult], ...]:
        """See `TaskNode.result_writers`."""
        return (
            Writer(names.SCENE, Classification, classification_message),
            Writer(names.SCENE_TILES, Detection2DArray, scene_tiles_message),
        )


def main() -> None:
    """Run the scene node in a process of its own."""
    run_node(SceneNode)
