# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Start nodes: executor, bring-up, and an end that leaves nothing behind."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from rs_onboard.nodes.lifecycle import PerceptionNode


def make_executor() -> Any:
    """Return the events executor where this rclpy has it: it costs about half the CPU."""
    try:
        from rclpy.experimental import EventsExecutor  # noqa: PLC0415  (not in every rclpy)
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def bring_up(nodes: Sequence[PerceptionNode]) -> bool:
    """Configure, then activate, every node that starts by itself.

    All are configured before any is activated, so that each finds who sends in its process.

    Returns:
        Whether all of them are active.
    """
    starting = [node for node in nodes if node.settings.autostart]
    for node in starting:
        node.trigger_configure()
    for node in starting:
        if node.state == 'inactive':
            node.trigger_activate()
    return all(node.state == 'active' for node in starting)


def shut_down(nodes: Sequence[PerceptionNode]) -> None:
    """Stop work first to last, so that what is under way still finds its way out."""
    for node in nodes:
        if node.state != 'finalized':
            node.guarded(node.trigger_shutdown)()
    for node in nodes:
        node.destroy_node()


def spin(nodes: Sequence[PerceptionNode], *, until: threading.Event | None = None) -> None:
    """Serve nodes until the context ends or an event is set."""
    executor = make_executor()
    for node in nodes:
        executor.add_node(node)
    try:
        while rclpy.ok() and not (until is not None and until.is_set()):
            executor.spin_once(timeout_sec=0.2)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        executor.shutdown()


def run_node(node_type: Callable[[], PerceptionNode]) -> None:
    """Run one node until it is told to end; the exit code says whether it ever became active."""
    run_nodes(lambda: [node_type()])


def run_nodes(make: Callable[[], Sequence[PerceptionNode]]) -> None:
    """Run nodes in this process until it is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    rclpy.init()
    nodes: Sequence[PerceptionNode] = ()
    try:
        nodes = make()
        bring_up(nodes)
        spin(nodes)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        shut_down(nodes)
        rclpy.try_shutdown()
