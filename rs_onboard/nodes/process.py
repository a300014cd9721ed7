# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""All nodes in one process, handing frames over by reference."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from rclpy.parameter import Parameter
from rclpy.utilities import remove_ros_args

from rs_onboard.nodes.camera import CameraNode
from rs_onboard.nodes.exchange import Exchange
from rs_onboard.nodes.publisher import PublisherNode
from rs_onboard.nodes.scene import SceneNode
from rs_onboard.nodes.segmentation import SegmentationNode
from rs_onboard.nodes.settings import TASKS
from rs_onboard.nodes.start import run_nodes
from rs_onboard.nodes.tiler import TilerNode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rs_onboard.inference.card import TaskName
    from rs_onboard.nodes.lifecycle import PerceptionNode
    from rs_onboard.nodes.parameters import Value
    from rs_onboard.nodes.task_node import TaskNode

N = TypeVar('N', bound='PerceptionNode')

TASK_NODES: Mapping[TaskName, type[TaskNode[Any]]] = {
    'scene': SceneNode,
    'segmentation': SegmentationNode,
}


def make_nodes(
    *,
    tasks: Sequence[str] | None = None,
    source: str = '',
    overrides: Mapping[str, Value] | None = None,
    **arguments: Any,
) -> list[PerceptionNode]:
    """Make the nodes of a graph, senders before takers.

    Args:
        tasks: Tasks to run; None takes those of the parameters.
        source: Source of the camera node; empty takes that of the parameters, and without one
            there is no camera node.
        overrides: Parameters for every node that has them.
        arguments: Passed to every node (namespace, ...).
    """
    values: dict[str, Value] = dict(overrides or {})
    if tasks is not None:
        values['tasks'] = list(tasks)
    if source:
        values['source'] = source
    parameters = [Parameter(name, value=value) for name, value in values.items()]
    exchange = Exchange()

    def make(kind: Callable[..., N]) -> N:
        return kind(exchange, parameter_overrides=parameters, **arguments)

    tiler = make(TilerNode)
    camera = [make(CameraNode)] if tiler.given('source') else []
    tasks_made = [make(node) for task, node in TASK_NODES.items() if task in tiler.settings.tasks]
    return [*camera, tiler, *tasks_made, make(PublisherNode)]


def main() -> None:
    """Run the whole graph in this process."""
    parser = argparse.ArgumentParser(prog='perception', description=__doc__)
    parser.add_argument(
        '--tasks',
        type=lambda text: [task for task in text.split(',') if task],
        help=f'comma-separated tasks of {", ".join(TASKS)}; default: those of the parameters',
    )
    parser.add_argument('--source', default='', help='source of the camera node; default: none')
    options = parser.parse_args(remove_ros_args(sys.argv)[1:])
    if unknown := sorted(set(options.tasks or ()) - set(TASKS)):
        parser.error(f'--tasks: found {", ".join(unknown)}; expected some of {", ".join(TASKS)}')
    run_nodes(lambda: make_nodes(tasks=options.tasks, source=options.source))
