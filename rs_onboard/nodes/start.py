# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Start nodes: executor, bring-up, and an end that leaves nothing behind."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from rs_onboard.inference.errors import FieldError
from rs_onboard.nodes.parameter_file import parse_assignments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rclpy.node import Node

    from rs_onboard.nodes.lifecycle import PerceptionNode

# Exit status of a process that only a restart can help, and the time it has to end in order.
STUCK = 3
STUCK_END_S = 8.0

# Rest after a fault in the executor, so that one that lasts does not take the processor.
PAUSE_S = 0.05


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
            if not _serve(executor, nodes[0]):
                until.wait(PAUSE_S)
    finally:
        executor.shutdown()


def _serve(executor: Any, node: Node) -> bool:
    """Serve what is due; returns whether all went well."""
    try:
        executor.spin_once(timeout_sec=0.2)
    except ExternalShutdownException:
        return False
    except Exception as exc:  # noqa: BLE001  (nothing may end the graph in flight)
        # Our callbacks raise nothing, but rclpy's own services do: on a request for a parameter of
        # a type that does not exist, for instance.
        node.get_logger().error(f'a request was not served: {exc!r}')
        return False
    return True


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT, SIGTERM and the loss of the terminal set.

    rclpy's own handlers end the context at once, and nodes can then no longer be shut down in
    order; start it with `SignalHandlerOptions.NO`.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What nohup has set stays: the graph is then to outlive the terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    return stop


def run_node(node_type: Callable[..., PerceptionNode]) -> None:
    """Run one node until it is told to end, then exit; see `run_nodes`."""
    sys.exit(run_nodes(lambda values: [node_type(parameter_overrides=as_parameters(values))]))


def run_nodes(
    make: Callable[[Mapping[str, Any]], Sequence[PerceptionNode]],
    *,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run nodes in this process until it is told to end.

    A node that cannot start stays, unconfigured, so that its diagnostics say why and so that it
    can be configured once the reason is gone.

    Args:
        make: Makes the nodes, given parameters that beat those of files.
        arguments: The command line; None takes that of the process. Besides ROS arguments it may
            hold `--set NAME=VALUE`, any number of times.

    Returns:
        The exit status: 0, or 2 for a command line that is refused. A process that is stuck for
        good exits with 3 instead of returning, unless `restart_when_stuck` is false.
    """
    stop = stop_on_signals()
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description='A node of rs_onboard.')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE')
    try:
        values = parse_assignments(parser.parse_args(remove_ros_args(['', *given])[1:]).set)
    except FieldError as exc:
        print(f'rs_onboard: error: {exc}', file=sys.stderr)  # noqa: T201  (no node can log it yet)
        return 2
    rclpy.init(args=['', *given], signal_handler_options=SignalHandlerOptions.NO)
    nodes: Sequence[PerceptionNode] = ()
    try:
        nodes = make(values)
        bring_up(nodes)
        watchdog = nodes[0].exchange.watchdog
        watchdog.notifier.ready()
        if nodes[0].settings.restart_when_stuck:
            watchdog.on_stuck = lambda reason: _end_for_restart(nodes[0], stop, reason)
        spin(nodes, until=stop)
        if watchdog.stuck:
            shut_down(nodes)
            _exit_at_once()
    finally:
        for node in nodes[:1]:
            node.exchange.watchdog.notifier.stopping()
        shut_down(nodes)
        rclpy.try_shutdown()
    return 0


def _end_for_restart(node: PerceptionNode, stop: threading.Event, reason: str) -> None:
    """End the process in order if that can be had, and otherwise all the same."""
    node.get_logger().fatal(f'the process ends, to be started again: {reason}')
    stop.set()
    limit = threading.Timer(STUCK_END_S, _exit_at_once)
    limit.daemon = True
    limit.start()


def _exit_at_once() -> None:
    """Exit without waiting for threads that hang in native calls."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(STUCK)


def as_parameters(values: Mapping[str, Any]) -> list[Parameter]:
    """Return parameters as rclpy takes them."""
    return [Parameter(name, value=value) for name, value in values.items()]
