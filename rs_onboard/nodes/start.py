# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Start nodes: executor, bring-up, and an end that leaves nothing behind."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rclpy.node import Node

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


def spin(nodes: Sequence[Node], *, until: threading.Event) -> None:
    """Serve nodes until an event is set or the context ends."""
    executor = make_executor()
    for node in nodes:
        executor.add_node(node)
    try:
        while rclpy.ok() and not until.is_set():
            executor.spin_once(timeout_sec=0.2)
    except ExternalShutdownException:
        pass
    finally:
        executor.shutdown()


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set.

    rclpy's own handlers end the context at once, and nodes can then no longer be shut down in
    order; start it with `SignalHandlerOptions.NO`.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run_node(node_type: Callable[[], PerceptionNode]) -> None:
    """Run one node until it is told to end."""
    run_nodes(lambda: [node_type()])


def run_nodes(
    make: Callable[[], Sequence[PerceptionNode]], *, arguments: Sequence[str] | None = None
) -> int:
    """Run nodes in this process until it is told to end.

    A node that cannot start stays, unconfigured, so that its diagnostics say why and so that it
    can be configured once the reason is gone.

    Args:
        make: Makes the nodes.
        arguments: ROS arguments; None takes those of the command line.

    Returns:
        The exit status, 0.
    """
    stop = stop_on_signals()
    rclpy.init(
        args=None if arguments is None else ['rs_onboard', *arguments],
        signal_handler_options=SignalHandlerOptions.NO,
    )
    nodes: Sequence[PerceptionNode] = ()
    try:
        nodes = make()
        bring_up(nodes)
        spin(nodes, until=stop)
    finally:
        shut_down(nodes)
        rclpy.try_shutdown()
    return 0
