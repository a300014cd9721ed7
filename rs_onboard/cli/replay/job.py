# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""One flight of many, as a job for whoever runs it: another process here, or another machine."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_onboard.cli.replay.conclusion import State, judge, state_of
from rs_onboard.replay.errors import RunError
from rs_onboard.replay.message_classes import provide_messages
from rs_onboard.replay.run_facts import RunFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_onboard.replay.expectations.differences import Verdict


@dataclass(frozen=True)
class FlightJob:
    """What is to be done; plain values, so that it can be sent.

    Attributes:
        name: Name of the flight.
        bag: Path of its bag.
        out: Folder for its results.
        values: Parameters of the nodes.
        expect: File of its expectations, empty for none.
        update: Whether to make the results the golden ones.
    """

    name: str
    bag: str
    out: str
    values: Mapping[str, Any] = field(default_factory=dict)
    expect: str = ''
    update: bool = False


@dataclass(frozen=True)
class FlightOutcome:
    """What became of a flight; plain values.

    Attributes:
        name: Name of the flight.
        bag: Path of its bag.
        page: Path of the page about it, empty where there is none.
        state: `ok`; `differs` from its expectations; `empty`, without a result; `damaged`, what
            could be read was processed; `failed`, with the reason.
        reason: Why it is not `ok`.
        kept: Whether its results are of an earlier run with the same inputs.
        attempts: How often it was tried.
        images: Images met.
        results: Frames with results.
        drops: Images without.
        alarms: Kinds of trouble.
        differences: From the expectations; None without any.
        busy_s: Sum of the latencies of all frames [s].
    """

    name: str
    bag: str
    page: str
    state: State
    reason: str = ''
    kept: bool = False
    attempts: int = 1
    images: int = 0
    results: int = 0
    drops: int = 0
    alarms: int = 0
    differences: int | None = None
    busy_s: float = 0.0


def run_job(job: FlightJob) -> FlightOutcome:
    """Replay a flight, unless its folder has the results of the same inputs already.

    What the user can mend becomes an outcome.

    Raises:
        OSError, MemoryError: Something may go better the next time.
    """
    provide_messages()
    try:
        return _run(job)
    except (ValueError, ImportError) as exc:
        text = ' '.join(str(exc).split())
        return FlightOutcome(job.name, job.bag, '', 'failed', text)


def _run(job: FlightJob) -> FlightOutcome:
    from rs_onboard.cli.replay.flight_run import (  # noqa: PLC0415  (loads the runtime)
        ReplayOptions,
        planned,
        replay_flight,
    )

    out = Path(job.out)
    options = ReplayOptions(Path(job.bag), out, dict(job.values), quiet=True, title=job.name)
    facts = _finished(out)
    kept = facts is not None and facts.inputs_sha256 == planned(options)
    if not kept:
        facts = replay_flight(options).facts
    assert facts is not None
    return _outcome(job, facts, kept=kept)


def _finished(out: Path) -> RunFacts | None:
    try:
        return RunFacts.read(out)
    except RunError:
        return None


def _outcome(job: FlightJob, facts: RunFacts, *, kept: bool) -> FlightOutcome:
    from rs_onboard.replay.expectations.compare import update  # noqa: PLC0415
    from rs_onboard.replay.expectations.recorded import RecordedRun  # noqa: PLC0415

    out = Path(job.out)
    verdict: Verdict | None = None
    if job.expect and job.update:
        update(out, Path(job.expect), Path(job.bag))
    elif job.expect:
        verdict = judge(out, Path(job.expect))
    state, reason = state_of(facts, verdict)
    timings = RecordedRun(out).timings
    return FlightOutcome(
        name=job.name,
        bag=job.bag,
        page=str(out / 'index.html'),
        state=state,
        reason=reason,
        kept=kept,
        images=facts.images,
        results=facts.results,
        drops=sum(n for reasons in facts.drops.values() for n in reasons.values()),
        alarms=len(facts.alarms),
        differences=None if verdict is None else len(verdict.differences),
        busy_s=round(sum(t['latency_ms'] or 0.0 for t in timings) / 1e3, 3),
    )


def main() -> None:
    """Run the job on standard input; write its outcome on standard output."""
    outcome = run_job(FlightJob(**json.load(sys.stdin)))
    print(json.dumps(asdict(outcome)))


if __name__ == '__main__':
    main()
