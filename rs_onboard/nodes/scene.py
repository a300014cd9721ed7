# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The scene node: tiles in, scene classes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.nodes.model_settings import SceneSettings
from rs_onboard.nodes.start import run_node
from rs_onboard.nodes.task_making import make_scene
from rs_onboard.nodes.task_node import TaskNode
from rs_onboard.perception.results import SceneResult

if TYPE_CHECKING:
    from rs_onboard.inference.model import Model
    from rs_onboard.perception.scene import SceneTask


class SceneNode(TaskNode[SceneResult]):
    """Classifies the scene of every frame."""

    task_name = 'scene'
    settings_type = SceneSettings
    settings: SceneSettings

    def make_task(self, model: Model) -> SceneTask:
        """See `ModelNode.make_task`."""
        return make_scene(self.settings, model)


def main() -> None:
    """Run the scene node in a process of its own."""
    run_node(SceneNode)
