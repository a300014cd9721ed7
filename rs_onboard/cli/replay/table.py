# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The summary of many flights: text, JSON and a page with links to theirs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from rs_onboard.replay.report.markup import Html, document, element, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.cli.replay.job import FlightOutcome

HEAD = ('flight', 'state', 'images', 'results', 'drops', 'alarms', 'differs', 'busy s')
BADGES = {'ok': 'ok', 'differs': 'degraded', 'empty': 'degraded'}


def write_tables(out: Path, outcomes: Sequence[FlightOutcome]) -> str:
    """Write `summary.json`, `summary.txt` and `index.html`; return the text.

    Raises:
        OSError: They cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    records = [asdict(outcome) for outcome in outcomes]
    (out / 'summary.json').write_text(json.dumps(records, indent=2) + '\n', encoding='utf-8')
    text = table_text(outcomes)
    (out / 'summary.txt').write_text(text + '\n', encoding='utf-8')
    (out / 'index.html').write_text(table_page(out, outcomes), encoding='utf-8')
    return text


def table_text(outcomes: Sequence[FlightOutcome]) -> str:
    """Write the summary for the terminal."""
    rows = [HEAD, *(_cells(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [_line(row, widths) for row in rows]
    lines += ['', total_text(outcomes)]
    for outcome in outcomes:
        if outcome.reason:
            lines.append(f'{outcome.name}: {outcome.state}: {outcome.reason}')
    return '\n'.join(lines)


def total_text(outcomes: Sequence[FlightOutcome]) -> str:
    """Say how many flights came to what."""
    states = [outcome.state for outcome in outcomes]
    counted = ', '.join(f'{states.count(state)} {state}' for state in dict.fromkeys(sorted(states)))
    kept = sum(outcome.kept for outcome in outcomes)
    known = f' ({kept} of an earlier run)' if kept else ''
    images, results = (sum(getattr(x, name) for x in outcomes) for name in ('images', 'results'))
    return f'{len(outcomes)} flights{known}: {counted}; {images} images, {results} results'


def table_page(out: Path, outcomes: Sequence[FlightOutcome]) -> str:
    """Write the summary as a page; each flight links to its own."""
    rows = [[_link(out, outcome), _badge(outcome), *_cells(outcome)[2:]] for outcome in outcomes]
    reasons = [
        element('li', element('b', outcome.name), f': {outcome.reason}')
        for outcome in outcomes
        if outcome.reason
    ]
    return document(
        f'{len(outcomes)} flights',
        element('header', element('h1', 'Flights'), element('p', total_text(outcomes))),
        element(
            'main',
            element(
                'section',
                table(HEAD, rows),
                element('ul', reasons) if reasons else None,
            ),
        ),
    )


def _cells(outcome: FlightOutcome) -> tuple[str, ...]:
    differs = '-' if outcome.differences is None else str(outcome.differences)
    return (
        outcome.name,
        outcome.state + (' (kept)' if outcome.kept else ''),
        str(outcome.images),
        str(outcome.results),
        str(outcome.drops),
        str(outcome.alarms),
        differs,
        f'{outcome.busy_s:.1f}',
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    texts = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return '  '.join([*texts, *numbers]).rstrip()


def _link(out: Path, outcome: FlightOutcome) -> Html | str:
    if not outcome.page:
        return outcome.name
    return element('a', outcome.name, href=os.path.relpath(outcome.page, out))


def _badge(outcome: FlightOutcome) -> Html:
    text = outcome.state + (' (kept)' if outcome.kept else '')
    return element('span', text, class_=f'status {BADGES.get(outcome.state, "failed")}')
