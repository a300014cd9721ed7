# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""All nodes in one process, handing frames over by reference."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from rs_onboard.nodes.camera import CameraNode
from rs_onboard.nodes.change import ChangeNode
from rs_onboard.nodes.detection import DetectionNode
from rs_onboard.nodes.exchange import Exchange
from rs_onboard.nodes.publisher import PublisherNode
from rs_onboard.nodes.recorder import RecorderNode
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.segmentation import SegmentationNode
from rs_onboard.nodes.start import as_parameters, run_nodes
from rs_onboard.nodes.tiler import TilerNode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rs_onboard.inference.card import TaskName
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.nodes.model_node import ModelNode

N = TypeVar('N', bound='PerceptionNode')

TASK_NODES: Mapping[TaskName, type[ModelNode[Any, Any]]] = {
    'scene': SceneNode,
    'detection': DetectionNode,
    'segmentation': SegmentationNode,
    'change': ChangeNode,
}


def make_nodes(
    overrides: Mapping[str, Any] | None = None, *, by_reference: bool = True, **arguments: Any
) -> list[PerceptionNode]:
    """Make the nodes of a graph, senders before takers.

    The parameter `tasks` says which task nodes there are; without a `source` there is no camera
    node, and with `record.mode` never there is no recorder.

    Args:
        overrides: Parameters for every node that has them; they beat those of files.
        by_reference: Whether they hand frames over; else they exchange messages alone, as if each
            had a process of its own.
        arguments: Passed to every node (namespace, ...).
    """
    exchange = Exchange()
    parameters = as_parameters(overrides or {})

    def make(kind: Callable[..., N]) -> N:
        shared = exchange if by_reference else Exchange()
        return kind(shared, parameter_overrides=parameters, **arguments)

    tiler = make(TilerNode)
    camera = [make(CameraNode)] if tiler.given('source') else []
    tasks = [make(node) for task, node in TASK_NODES.items() if task in tiler.settings.tasks]
    records = tiler.given('record.mode') not in {None, 'never'}
    recorder = [make(RecorderNode)] if records else []
    return [*camera, tiler, *tasks, make(PublisherNode), *recorder]


def main() -> None:
    """Run the whole graph in this process."""
    sys.exit(run_nodes(make_nodes))
