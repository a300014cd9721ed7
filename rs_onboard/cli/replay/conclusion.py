# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a finished run comes to: compared with expectations, said, and made an exit status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from rs_onboard.replay.expectations.compare import compare, update

if TYPE_CHECKING:
    from pathlib import Path

    from rs_onboard.cli.replay.finish import Ended
    from rs_onboard.replay.expectations.differences import Verdict
    from rs_onboard.replay.run_facts import RunFacts

OK, DIFFERS, BAD_INPUT = 0, 1, 2

State = Literal['ok', 'differs', 'empty', 'damaged', 'failed']


def judge(out: Path, expected: Path) -> Verdict:
    """Compare a run with expectations; the differences go to `differences.txt` too.

    Raises:
        FieldError: The file of expectations is missing or wrong.
        RunError: The run or the golden results are missing or damaged.
    """
    verdict = compare(out, expected)
    told = out / 'differences.txt'
    told.unlink(missing_ok=True)
    if verdict.differences:
        told.write_text(verdict.text(shown=len(verdict.differences)) + '\n', encoding='utf-8')
    return verdict


def conclude(ended: Ended, out: Path, expected: Path | None, *, update_golden: bool) -> int:
    """Say what a run comes to; returns the exit status.

    Args:
        ended: The run.
        out: Its folder.
        expected: File of expectations, None for none.
        update_golden: Whether to make the results the golden ones instead of comparing.

    Returns:
        0; 1 where it differs from the expectations or gave no results; 2 where the bag is damaged
        and the expectations do not allow that.

    Raises:
        FieldError, RunError: The expectations or golden results are wrong.
    """
    if expected is not None and update_golden:
        golden, new = update(out, expected, ended.bag)
        print(f'golden results: {golden}' + (f'; criteria: {expected}' if new else ''))
    verdict = judge(out, expected) if expected is not None and not update_golden else None
    if verdict is not None:
        print(verdict.text(), file=sys.stderr if verdict.differences else sys.stdout)
    state, reason = state_of(ended.facts, verdict)
    if state in {'damaged', 'empty'}:
        print(f'rs_onboard: error: {reason}', file=sys.stderr)
    return {'ok': OK, 'damaged': BAD_INPUT}.get(state, DIFFERS)


def state_of(facts: RunFacts, verdict: Verdict | None) -> tuple[State, str]:
    """Return what a run comes to, and why where that is not `ok`."""
    if facts.damage and not (verdict is not None and verdict.damage_allowed):
        text = [x.first for x in facts.alarms if x.source == 'bag' and x.level == 'error']
        return 'damaged', text[0] if text else facts.damage
    if verdict is not None and verdict.differences:
        first = verdict.differences[0]
        return 'differs', f'{first.where}: {first.what}'
    if not facts.results:
        return 'empty', 'no image gave a result'
    return 'ok', ''
