# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""`rs_onboard status`: is everything fine, and if not, what is wrong and since when."""

from __future__ import annotations

import shutil
import textwrap
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

# Exit statuses: all is fine; something is not; nobody answered.
FINE, NOT_FINE, SILENT = 0, 1, 3

# Names of levels, for entries that have no `health` of their own.
LEVELS = {0: 'OK', 1: 'DEGRADED', 2: 'FAILED', 3: 'STALE'}
WORST_FIRST = ('FAILED', 'STALE', 'DEGRADED', 'OK')

NOBODY = (
    'nothing on /diagnostics: no node of rs_onboard runs here, or it is in another ROS_DOMAIN_ID.'
)

# Looks at what has arrived this often.
POLL_S = 0.1


class Entry(NamedTuple):
    """One entry of /diagnostics.

    Attributes:
        name: Its name, without the words that all have.
        health: OK, DEGRADED, STALE or FAILED.
        message: Its message.
        values: Its values.
    """

    name: str
    health: str
    message: str
    values: Mapping[str, str]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        'status',
        help='tell whether a running graph is fine',
        description='Listen to /diagnostics and say what is wrong. Exit status: 0 when all is '
        'fine, 1 when something is not, 3 when nobody answers.',
    )
    parser.add_argument(
        '--wait', type=float, default=3.0, metavar='S', help='how long to listen [s] (default: 3)'
    )
    parser.add_argument('--watch', action='store_true', help='go on until interrupted')
    parser.add_argument(
        '--machine', action='store_true', help='read this machine instead; needs no graph'
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.machine:
        return show_machine()
    while True:
        entries = listen(options.wait)
        print('\n'.join(report(entries)), flush=True)
        if not options.watch:
            break
        print()
    if not entries:
        return SILENT
    return FINE if all(entry.health == 'OK' for entry in entries) else NOT_FINE


def show_machine() -> int:
    """Read this machine twice, so that the use of its cores is known, and print it."""
    from rs_onboard.health.machine import MachineReader  # noqa: PLC0415
    from rs_onboard.health.machine_watch import MachineWatch  # noqa: PLC0415
    from rs_onboard.health.values import machine_values  # noqa: PLC0415

    reader, watch = MachineReader(), MachineWatch()
    watch.update(reader.read())
    time.sleep(0.5)
    readings = reader.read()
    verdict = watch.update(readings)
    for key, value in machine_values(readings, verdict).items():
        print(f'{key:24} {value}')
    for finding in verdict.findings:
        print(f'{finding.state.name}: {finding.cause}: {finding.text}')
    return NOT_FINE if verdict.findings else FINE


def listen(wait_s: float) -> list[Entry]:
    """Return the last of every entry of rs_onboard that is published within a time."""
    import rclpy  # noqa: PLC0415
    from diagnostic_msgs.msg import DiagnosticArray  # noqa: PLC0415
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
    from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

    found: dict[str, Entry] = {}

    def take(message: Any) -> None:
        for status in message.status:
            if status.hardware_id == 'rs_onboard':
                found[status.name] = entry_of(status)

    # A context of its own, so that a program that uses ROS may call this too.
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('rs_onboard_status', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        node.create_subscription(DiagnosticArray, '/diagnostics', take, 50)
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=POLL_S)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    return list(found.values())


def entry_of(status: Any) -> Entry:
    """Read an entry of a DiagnosticArray."""
    values = {item.key: item.value for item in status.values}
    level = status.level[0] if isinstance(status.level, bytes) else status.level
    name = status.name.removesuffix(': perception')
    return Entry(name, values.get('health') or LEVELS[level], status.message, values)


def report(entries: Iterable[Entry]) -> list[str]:
    """Write the entries as lines for people, the worst first."""
    ordered = sorted(entries, key=lambda e: (WORST_FIRST.index(e.health), e.name))
    if not ordered:
        return [NOBODY]
    width = max(len(entry.name) for entry in ordered)
    columns = shutil.get_terminal_size((120, 40)).columns
    lines = []
    for entry in ordered:
        head = f'{entry.health:8}  {entry.name:{width}}  '
        text = f'{entry.message} {details(entry)}'.strip()
        wrapped = textwrap.wrap(
            text, max(40, columns), initial_indent=head, subsequent_indent=' ' * len(head)
        )
        lines += wrapped or [head.rstrip()]
    return lines


def details(entry: Entry) -> str:
    """Return what of the values is worth a look, in brackets; empty if nothing is."""
    values, shown = entry.values, []
    if 'model' in values:
        shown.append(f'{values["model"]} {values.get("variant")} on {values.get("provider")}')
    if values.get('rate_hz'):
        shown.append(f'{values["rate_hz"]} Hz')
    dropped = {key[8:]: value for key, value in values.items() if key.startswith('dropped.')}
    if dropped:
        names = ', '.join(f'{name} {value}' for name, value in sorted(dropped.items()))
        shown.append(f'dropped: {names} of {values.get("received", "?")}')
    if 'capture_to_publish_ms.p50' in values:
        p50, p95 = (values[f'capture_to_publish_ms.{rank}'] for rank in ('p50', 'p95'))
        shown.append(f'capture to publication {p50} ms, 95 % within {p95} ms')
    if 'temperature_c' in values:
        shown.append(f'{values["temperature_c"]} deg C')
    if 'load' in values:
        shown.append(f'load {values["load"]}, {values.get("rss_mb", "?")} MiB used by the process')
    others = values.get('causes', '').split(', ')[1:]
    if others:
        shown.append(f'also {", ".join(others)}')
    return f'[{"; ".join(shown)}]' if shown else ''
