# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A run compared with the expectations for its flight."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rs_onboard.replay.expectations.criteria import (
    check_latency,
    golden_folder,
    load_criteria,
    template,
)
from rs_onboard.replay.expectations.differences import Difference, Verdict, over
from rs_onboard.replay.expectations.frames import Counted, compare_frame, compare_masks
from rs_onboard.replay.expectations.golden import Golden, thinned, write_golden
from rs_onboard.replay.expectations.recorded import RecordedRun
from rs_onboard.replay.run_records import by_stamp, stage_durations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rs_onboard.replay.alarms import Alarm
    from rs_onboard.replay.expectations.criteria import AlarmPattern, Criteria


def compare(folder: Path, expected: Path) -> Verdict:
    """Compare a run with expectations.

    Args:
        folder: Folder of the run.
        expected: File of the expectations.

    Raises:
        FieldError: The file of expectations is missing or wrong.
        RunError: The run or the golden results are not complete.
    """
    criteria = load_criteria(expected)
    golden, run = Golden(criteria.golden), RecordedRun(folder)
    counted = Counted()
    found = by_stamp(run.records)
    both = [stamp for stamp in golden.frames if stamp in found]
    limits = criteria.tolerances
    frames: list[Difference] = []
    for stamp in both:
        frames += compare_frame(golden.frames[stamp], found[stamp], limits, counted)
    frames += _masks(golden, run, criteria)
    frames.sort(key=lambda item: item.stamp_ns or 0)
    alarms = _alarms(criteria, run.facts.alarms)
    differences = [
        *_models(criteria, golden, run),
        *over(
            _absent(golden.frames, found, 'no result'),
            limits.frames_missing,
            'frames',
            'golden frames without a result',
        ),
        *over(
            _absent(found, golden.frames, 'not among the golden results'),
            limits.frames_extra,
            'frames',
            'more frames than the golden ones',
        ),
        *_drops(criteria, run),
        *alarms.differences,
        *_latencies(criteria, run, expected),
        *over(counted.statuses, limits.statuses, 'status', 'other statuses'),
        *over(counted.objects_missing, limits.objects_missing, 'detection', 'objects missing'),
        *over(counted.objects_extra, limits.objects_extra, 'detection', 'objects extra'),
        *over(counted.regions_missing, limits.regions_missing, 'change', 'regions missing'),
        *over(counted.regions_extra, limits.regions_extra, 'change', 'regions extra'),
        *frames,
    ]
    return Verdict(
        expected,
        tuple(differences),
        len(both),
        alarms.true,
        alarms.missed,
        alarms.false,
        _allows_damage(criteria, run),
    )


def update(folder: Path, expected: Path, bag: Path) -> tuple[Path, bool]:
    """Make the results of a run the golden ones.

    Args:
        folder: Folder of the run.
        expected: File of the expectations; written where there is none.
        bag: The bag that was run, which the file then names.

    Returns:
        The folder of the golden results, and whether the file was written.

    Raises:
        FieldError: The file of expectations is wrong.
        RunError: The run is not complete.
        OSError: The files cannot be written.
    """
    run = RecordedRun(folder)
    new = not expected.exists()
    golden = golden_folder(expected) if new else load_criteria(expected).golden
    write_golden(golden, run)
    if new:
        seen_from = os.path.relpath(bag, expected.parent)
        expected.write_text(template(golden, seen_from, run.facts), encoding='utf-8')
    return golden, new


def _models(criteria: Criteria, golden: Golden, run: RecordedRun) -> Iterator[Difference]:
    if criteria.models == 'any':
        return
    for task, model in golden.facts.models.items():
        now = run.facts.models.get(task, {})
        if now.get('sha256') != model.get('sha256'):
            yield Difference(
                task,
                f'model {now.get("name")} {now.get("variant")} ({str(now.get("sha256"))[:12]}), '
                f'expected {model.get("name")} {model.get("variant")} '
                f'({str(model.get("sha256"))[:12]}); if meant, rewrite with --update',
            )


def _absent(
    wanted: Mapping[int, object], there: Mapping[int, object], text: str
) -> list[Difference]:
    return [Difference('frame', text, stamp) for stamp in wanted if stamp not in there]


def _masks(
    golden: Golden,
    run: RecordedRun,
    criteria: Criteria,
) -> Iterator[Difference]:
    awaited = golden.masks()
    classes = run.classes()
    for task, stamp_ns, mask in run.masks():
        awaited.discard((task, stamp_ns))
        expected = golden.mask(task, stamp_ns)
        if expected is None:
            # Where the golden frame has none, its status says so.
            continue
        names = classes.get(task, ())
        limits = criteria.tolerances
        yield from compare_masks(task, expected, thinned(mask), names, limits, stamp_ns)
    usable = {
        (task, record['stamp_ns'])
        for record in run.records
        for task, value in record.items()
        if isinstance(value, dict) and value.get('status') in {'ok', 'degraded'}
    }
    for task, stamp_ns in sorted(awaited & usable):
        yield Difference(task, 'no mask was recorded', stamp_ns)


def _drops(criteria: Criteria, run: RecordedRun) -> Iterator[Difference]:
    for node, reasons in run.facts.drops.items():
        for reason, count in reasons.items():
            most = criteria.drops.get(f'{node} {reason}', 0)
            if count > most:
                text = f'{node} dropped {count} as {reason}, allowed {most:g}'
                yield Difference('drops', text)


class _Alarms:
    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self.true = self.missed = self.false = 0


def _alarms(criteria: Criteria, raised: Sequence[Alarm]) -> _Alarms:
    found = _Alarms()
    for pattern in criteria.required:
        if any(pattern.fits(alarm) for alarm in raised):
            found.true += 1
        else:
            found.missed += 1
            found.differences.append(Difference('alarm', f'missed: {pattern}'))
    known: tuple[AlarmPattern, ...] = (*criteria.required, *criteria.allowed)
    for alarm in raised:
        if any(pattern.fits(alarm) for pattern in known):
            continue
        found.false += criteria.other_alarms == 'refuse'
        if criteria.other_alarms == 'refuse':
            text = f'false: {alarm.source} ({alarm.level}, {alarm.count} times): {alarm.first}'
            found.differences.append(Difference('alarm', text))
    return found


def _allows_damage(criteria: Criteria, run: RecordedRun) -> bool:
    known = (*criteria.required, *criteria.allowed)
    damages = [x for x in run.facts.alarms if x.source == 'bag' and x.level == 'error']
    return all(any(pattern.fits(alarm) for pattern in known) for alarm in damages)


def _latencies(criteria: Criteria, run: RecordedRun, path: Path) -> Iterator[Difference]:
    if not criteria.latency:
        return
    stages = stage_durations(run.timings)
    check_latency(criteria, list(stages), path)
    for stage, limit in criteria.latency.items():
        spent = stages[stage]
        for name, value, most in (
            ('mean', sum(spent) / len(spent), limit.mean_ms),
            ('max', max(spent), limit.max_ms),
        ):
            if most is not None and value > most:
                text = f'{stage}: {name} {value:.1f} ms, allowed {most:g} ms'
                yield Difference('latency', text)
