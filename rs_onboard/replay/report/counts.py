# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What became of every image: the counters of the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.replay.report.markup import Html, element, section, table

if TYPE_CHECKING:
    from rs_onboard.replay.summary import NodeCounts, RunSummary

# Names of drops as readers know them; others stand as they are.
DROPS = {
    'replaced_by_newer': 'replaced by a newer one while waiting',
    'inactive': 'that came while the node was not active',
    'error': 'lost by an error, which the log tells',
}


def counts_section(run: RunSummary) -> Html:
    """Show the counters; each node has to account for everything that it received."""
    if not run.nodes:
        return section('counts', 'Drops', element('p', 'No counters were recorded.'))
    head = ['node', 'received', '= done', '+ dropped', '+ waiting', 'accounted', 'drops by name']
    return section(
        'counts',
        'Drops',
        table(head, [_row(node) for node in run.nodes], class_='last'),
        element(
            'p',
            f'{run.sent} images were sent into the graph, {len(run.records)} frames have results. '
            'Waiting is what a node held when the run ended.',
            class_='quiet',
        ),
    )


def _row(node: NodeCounts) -> list[Html | str | int]:
    names = [f'{count} {DROPS.get(name, name)}' for name, count in node.dropped.items() if count]
    lost = node.unaccounted
    account = (
        element('b', f'{abs(lost)} {"missing" if lost > 0 else "too many"}', class_='bad')
        if lost
        else element('span', 'all', class_='good')
    )
    return [
        node.node,
        node.received,
        node.done,
        sum(node.dropped.values()),
        node.waiting,
        account,
        ', '.join(names) or 'none',
    ]
