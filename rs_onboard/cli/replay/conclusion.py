# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""What a finished run comes to: compared with expectations, said, and made an exit status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rs_onboard.replay.expectations.compare import compare, update
from rs_onboard.replay.expectations.criteria import load_criteria

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rs_onboard.cli.replay.finish import Ended
    from rs_onboard.replay.expectations.differences import Verdict

OK, DIFFERS, BAD_INPUT = 0, 1, 2


def verdict_on(ended: Ended, out: Path, expected: Path) -> Verdict:
    """Compare a run with expectations; the differences go to `differences.txt` too.

    Raises:
        FieldError: The file of expectations is missing or wrong.
        RunError: The golden results are missing or damaged.
    """
    cards = ended.summary.cards
    names: dict[str, Sequence[str]] = {task: card.class_names for task, card in cards.items()}
    verdict = compare(out, expected, names)
    if verdict.differences:
        text = verdict.text(shown=len(verdict.differences))
        (out / 'differences.txt').write_text(text + '\n', encoding='utf-8')
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
    facts = ended.facts
    if not ended.records:
        print('rs_onboard: error: no image gave a result', file=sys.stderr)
    if expected is not None and update_golden:
        golden, new = update(out, expected, ended.bag)
        print(f'golden results: {golden}' + (f'; criteria: {expected}' if new else ''))
    elif expected is not None:
        verdict = verdict_on(ended, out, expected)
        print(verdict.text(), file=sys.stderr if verdict.differences else sys.stdout)
        if not facts.damage or _allows_damage(ended, expected):
            return DIFFERS if verdict.differences else OK
    if facts.damage:
        text = next(x.first for x in facts.alarms if x.source == 'bag' and x.level == 'error')
        print(f'rs_onboard: error: {text}', file=sys.stderr)
        return BAD_INPUT
    return OK if ended.records else DIFFERS


def _allows_damage(ended: Ended, expected: Path) -> bool:
    criteria = load_criteria(expected)
    damages = [x for x in ended.facts.alarms if x.source == 'bag' and x.level == 'error']
    known = (*criteria.required, *criteria.allowed)
    return all(any(pattern.fits(alarm) for pattern in known) for alarm in damages)
